import Commands
import Host
import ArgumentParser
import Communication
import Foundation
import Measurement
import Models
import Options
import Pretraining
import Runs
import Settings
import Tensors
import TrainingRuns

/// `umae-dist bench`: how fast training steps are here.
struct BenchCommand: WorldCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure work on synthetic images: images/s, share of peak, time per phase, memory.",
        discussion: """
            The peak is the rate of multiply-adds on registers, measured in the same run on all ranks and threads at \
            once. FLOPs are those of the published model's matrix products and attention, backward twice forward.
            """)

    enum Work: String, CaseIterable, ExpressibleByArgument {
        case pretraining, features
        case fineTuning = "fine-tuning"
    }

    @Option(help: "What is measured: steps of pretraining or fine-tuning, or features (the encoder's of whole images).")
    var work = Work.pretraining
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Losses") var loss: LossOptions
    @OptionGroup(title: "Messages") var exchange: ExchangeOptions
    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @Option(help: "Images per rank and micro-batch.") var batchSize = 32
    @Option(help: "Micro-batches per update.") var accumIter = 1
    @Option(help: "Steps measured.") var steps = 5
    @Option(help: "Steps before the measurement.") var warmupSteps = 1
    @Option(help: "Seed of weights and images.") var seed: UInt64 = 0
    @Flag(help: "Print one JSON object instead of a table.") var json = false

    func validate() throws {
        try Bounds.check("--batch-size", batchSize, 1...1 << 20)
        try Bounds.check("--accum-iter", accumIter, 1...1 << 20)
        try Bounds.check("--steps", steps, 1...1_000_000)
        try Bounds.check("--warmup-steps", warmupSteps, 0...1_000_000)
    }

    func run(in world: any Communicator) throws -> Int32 {
        let element = try compute.element(in: world)
        let configuration = try world.agree {
            var configuration = StepConfiguration()
            configuration.model = try model.configuration()
            configuration.loss = loss.configuration()
            exchange.adjust(&configuration.loss)
            configuration.precision = element
            configuration.accumulation = try exchange.accumulation(accumIter, ranks: world.size)
            configuration.effectiveBatchSize = batchSize * configuration.accumulation * world.size
            configuration.gradientExchange = exchange.configuration()
            configuration.seed = seed
            try configuration.check()
            return configuration
        }
        try world.agreeOnEqual("configurations", PretrainConfiguration(step: configuration).settings.map(\.line))
        try compute.checkTimeline(in: world)
        try compute.watchForStalls(in: world)
        let team = try compute.team(in: world)
        guard work == .pretraining else { return try measureOther(configuration, on: RankResources(world, team)) }
        let result = try Benchmark(
            name: model.model, configuration: configuration, steps: steps, warmupSteps: warmupSteps,
            compute: compute.computing()
        ).run(on: RankResources(world, team))
        guard world.rank == 0 else { return 0 }
        if json {
            Console.print(try JSONReport.text(result))
        } else {
            Console.print(table(result))
        }
        return 0
    }

    private func measureOther(_ configuration: StepConfiguration, on resources: RankResources) throws -> Int32 {
        let r = try WorkBenchmark(
            work == .features ? .features : .fineTuning, of: model.model, configuration.model.encoder,
            configuration.precision, images: batchSize, steps: steps, warmupSteps: warmupSteps
        ).run(on: resources)
        guard resources.communicator.rank == 0 else { return ExitCode.done }
        if json {
            Console.print(try JSONReport.text(r, usesSnakeCase: true))
            return ExitCode.done
        }
        Console.print(
            """
            model           \(r.model), \(r.precision), \(work == .features ? "features of whole images" : "fine-tuning")
            world           \(counted(r.ranks, "rank")) × \(counted(r.threadsPerRank, "thread")), \
            \(counted(r.batchSizePerRank, "image")) per rank
            images/s        \(String(format: "%.2f", r.imagesPerSecond))
            GFLOP/s         \(String(
                format: "%.1f of %.1f peak (%.1f%%); %.3f GFLOP per image", r.flopsPerSecond / 1e9,
                r.peakFlopsPerSecond / 1e9, 100 * r.fractionOfPeak, r.flopsPerImage / 1e9))
            step            \(String(format: "%.2f ms, median of %d", 1e3 * r.secondsPerStep, r.steps))
            """)
        return ExitCode.done
    }

    private func table(_ r: Benchmark.Result) -> String {
        var rows = [
            ("model", "\(r.model), \(r.precision)"),
            (
                "world",
                "\(counted(r.ranks, "rank")) × \(counted(r.threadsPerRank, "thread")), "
                    + "\(counted(r.batchSizePerRank, "image")) per rank"
                    + (r.accumIter > 1 ? " × \(r.accumIter) micro-batches" : "")
            ),
            ("kernels", r.kernels),
            ("images/s", String(format: "%.2f", r.imagesPerSecond)),
            (
                "GFLOP/s",
                String(
                    format: "%.1f of %.1f peak (%.1f%%); %.3f GFLOP per image", r.flopsPerSecond / 1e9,
                    r.peakFlopsPerSecond / 1e9, 100 * r.fractionOfPeak, r.flopsPerImage / 1e9)
            ),
            ("step", String(format: "%.2f ms, median of %d", 1e3 * r.secondsPerStep, r.steps)),
        ]
        for phase in PhaseClock.Phase.allCases {
            let seconds = r.secondsPerPhase[phase.name] ?? 0
            rows.append(
                (
                    "  " + phase.name,
                    String(format: "%10.2f ms %5.1f%%", 1e3 * seconds, 100 * seconds / r.secondsPerStep)
                ))
        }
        rows.append(
            (
                "memory",
                String(
                    format: "%.0f MiB resident at most, largest rank; %.1f page faults a step; planned:",
                    Double(r.peakMemoryBytes) / 1048576, r.pageFaultsPerStep)
            ))
        let parts = MemoryPlan.Purpose.allCases.map { ($0.rawValue, r.plannedMemoryByPurpose[$0.rawValue] ?? 0) }
        for (purpose, bytes) in parts + [("total", r.plannedMemoryBytes)] where bytes > 0 {
            rows.append(("  " + purpose, MemoryReport.mebibytes(bytes)))
        }
        return rows.map { $0.0.padding(toLength: 16, withPad: " ", startingAt: 0) + $0.1 }.joined(separator: "\n")
    }
}
