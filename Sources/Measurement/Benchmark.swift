package import Communication
import Foundation
internal import ImageArrays
internal import ImageCodecs
internal import ImageData
internal import ImageSources
internal import Models
package import Pretraining
package import Runs
internal import Tensors
internal import TrainingRuns
internal import Training

/// Measures training steps on synthetic images: speed, share of the machine's peak, time per phase, memory.
package struct Benchmark {
    /// Figures of one measurement; the keys of `umae-dist bench --json`.
    package struct Result: Codable, Sendable {
        package var model: String
        package var precision: String
        package var ranks: Int
        package var threadsPerRank: Int
        package var batchSizePerRank: Int
        package var imagesPerSecond: Double
        package var flopsPerImage: Double
        package var flopsPerSecond: Double
        /// All ranks together, measured before and after the steps; the higher of both.
        package var peakFlopsPerSecond: Double
        package var fractionOfPeak: Double
        /// Median.
        package var secondsPerStep: Double
        /// Medians over the steps, of the slowest rank in each phase: as none is longer than its step, none is longer than
        /// the median step.
        package var secondsPerPhase: [String: Double]
        /// Resident memory of the largest rank at its highest.
        package var peakMemoryBytes: Int
        /// Mean seconds of a step in which a rank waited for gradients and did nothing else, of the slowest rank.
        package var exposedCommunicationSeconds: Double
        /// What the plan says of one rank, and of that what each purpose takes.
        package var plannedMemoryBytes: Int
        package var plannedMemoryByPurpose: [String: Int]
        /// Page faults that needed no disk, of the slowest rank, per measured step.
        package var pageFaultsPerStep: Double
        package var accumIter: Int
        package var steps: Int
        /// The instruction set in use.
        package var kernels: String
        package var loss: Double

        enum CodingKeys: String, CodingKey {
            case model, precision, ranks
            case threadsPerRank = "threads_per_rank"
            case batchSizePerRank = "batch_size_per_rank"
            case imagesPerSecond = "images_per_second"
            case flopsPerImage = "flops_per_image"
            case flopsPerSecond = "flops_per_second"
            case peakFlopsPerSecond = "peak_flops_per_second"
            case fractionOfPeak = "fraction_of_peak"
            case secondsPerStep = "seconds_per_step"
            case secondsPerPhase = "seconds_per_phase"
            case peakMemoryBytes = "peak_memory_bytes"
            case plannedMemoryBytes = "planned_memory_bytes"
            case plannedMemoryByPurpose = "planned_memory_by_purpose"
            case exposedCommunicationSeconds = "exposed_communication_seconds"
            case pageFaultsPerStep = "page_faults_per_step"
            case accumIter = "accum_iter"
            case steps
            case kernels
            case loss
        }
    }

    package let name: String
    package let configuration: StepConfiguration
    package let steps: Int
    package let warmupSteps: Int
    package let compute: ComputeConfiguration
    /// Ranks that measure the same beside this one, each by itself.
    private let neighbors: (any Communicator)?

    /// - Parameter neighbors: ranks that measure the same beside this one, each by itself and run as a `SingleProcess` in
    ///   step with them.
    package init(
        name: String, configuration: StepConfiguration, steps: Int, warmupSteps: Int, compute: ComputeConfiguration,
        neighbors: (any Communicator)? = nil
    ) {
        self.name = name
        self.configuration = configuration
        self.steps = steps
        self.warmupSteps = warmupSteps
        self.compute = compute
        self.neighbors = neighbors
    }

    /// Collective; every rank returns the same.
    package func run(on resources: RankResources) throws -> Result {
        let layout = try layout(on: resources)
        resources.memory.add(.data, "images", bytes: layout.source.heldBytes)
        let parts = try layout.make(configuration, on: resources)
        defer { parts.loader.stop() }
        parts.model.initialize(seed: configuration.seed)

        var peak = try PeakRate.measure(configuration.precision, resources)
        let figures = try figures(of: parts.step, resources.communicator)
        peak = max(peak, try PeakRate.measure(configuration.precision, resources))
        if let timeline = compute.timeline {
            try parts.step.clock.timeline?.write(to: timeline, resources.communicator)
        }
        return try result(figures, peak: peak, resources)
    }

    /// What was found on this rank: medians of seconds, of the step and by phase, means of the others.
    private struct Figures {
        var secondsPerStep = 0.0
        var secondsPerPhase: [Double] = []
        var pageFaults = 0.0
        var exposedSeconds = 0.0
        var loss = 0.0
    }

    /// Makes the steps. Collective.
    private func figures(of step: PretrainStep, _ communicator: any Communicator) throws -> Figures {
        let warmup = max(warmupSteps, 1)
        for number in 1...warmup { _ = try step.run(number, learningRate: 1e-4) }
        try communicator.barrier()
        step.clock.reset()
        var figures = Figures()
        var seconds: [Double] = []
        seconds.reserveCapacity(steps)
        let phases = PhaseClock.Phase.allCases
        var phaseSeconds = [[Double]](repeating: [Double](repeating: 0, count: steps), count: phases.count)
        let faultsBefore = ProcessMemory.pageFaults()
        for index in 0..<steps {
            for phase in phases { phaseSeconds[phase.rawValue][index] = -step.clock[phase] }
            let outcome = try step.run(warmup + index + 1, learningRate: 1e-4)
            for phase in phases { phaseSeconds[phase.rawValue][index] += step.clock[phase] }
            seconds.append(outcome.seconds)
            figures.loss = outcome.figures.reconstruction
            figures.exposedSeconds += step.exposedCommunicationSeconds
        }
        figures.exposedSeconds /= Double(steps)
        figures.pageFaults = Double(ProcessMemory.pageFaults() - faultsBefore) / Double(steps)
        figures.secondsPerStep = seconds.sorted()[steps / 2]
        figures.secondsPerPhase = phaseSeconds.map { $0.sorted()[steps / 2] }
        return figures
    }

    /// The figures of the slowest rank. Collective.
    private func result(_ figures: Figures, peak: Double, _ resources: RankResources) throws -> Result {
        let (c, memory) = (configuration, resources.memory)
        var largest =
            [
                figures.secondsPerStep, Double(ProcessMemory.peakResidentBytes()), figures.pageFaults,
                figures.exposedSeconds,
            ] + figures.secondsPerPhase
        try resources.communicator.allReduce(&largest, .maximum)
        let phases = zip(PhaseClock.Phase.allCases.map(\.name), largest.dropFirst(4))
        let imagesPerSecond = Double(c.effectiveBatchSize) / largest[0]
        let flops = c.flopsPerImage
        return Result(
            model: name, precision: c.precision.rawValue, ranks: resources.communicator.size,
            threadsPerRank: resources.team.count,
            batchSizePerRank: c.effectiveBatchSize / resources.communicator.size / c.accumulation,
            imagesPerSecond: imagesPerSecond, flopsPerImage: flops, flopsPerSecond: flops * imagesPerSecond,
            peakFlopsPerSecond: peak, fractionOfPeak: flops * imagesPerSecond / peak, secondsPerStep: largest[0],
            secondsPerPhase: Dictionary(uniqueKeysWithValues: phases), peakMemoryBytes: Int(largest[1]),
            exposedCommunicationSeconds: largest[3], plannedMemoryBytes: memory.totalBytes,
            plannedMemoryByPurpose: Dictionary(
                uniqueKeysWithValues: MemoryPlan.Purpose.allCases.map { ($0.rawValue, memory.bytes(for: $0)) }),
            pageFaultsPerStep: largest[2], accumIter: c.accumulation, steps: steps,
            kernels: VectorKernels.instructionSet, loss: figures.loss)
    }

    /// What a step is made of, of images that are made for it; refuses what cannot fit, before that if it is far beyond.
    /// Collective.
    private func layout(on resources: RankResources) throws -> StepLayout {
        let c = configuration
        let (communicator, world) = (resources.communicator, neighbors ?? resources.communicator)
        // Several of them measure by themselves: each is a run of one rank.
        try MemoryCheck.refuse(MemoryEstimate(c, ranks: communicator.size), in: world)
        let layout = try world.agree {
            let source = try SyntheticImages(
                SyntheticImageParameters(
                    count: max(4096, c.effectiveBatchSize), channels: c.model.channels,
                    size: ImageSize(height: c.model.imageHeight, width: c.model.imageWidth), seed: c.seed),
                split: .train)
            return StepLayout(
                source: source, statistics: try ChannelStatistics(of: source), classes: source.classCount,
                compute: compute)
        }
        let counted = try communicator.agree { try layout.count(c, saves: false, on: resources).memory }
        try MemoryCheck.run(
            counted, held: layout.source.heldBytes,
            remedies: MemoryCheck.Remedies(
                c.update, recomputesActivations: compute.recomputesActivations, ranks: communicator.size),
            in: world)
        return layout
    }
}

/// The rate of independent fused multiply-adds on registers, all threads of all ranks at once: what no program exceeds.
enum PeakRate {
    /// FLOP/s of all ranks together, the best of several short bursts. Collective.
    static func measure(_ element: ElementType, _ resources: RankResources) throws -> Double {
        let (communicator, team) = (resources.communicator, resources.team)
        var best = 0.0
        for _ in 0..<5 {
            try communicator.barrier()
            var flops = [0.0]
            let start = ContinuousClock.now
            let done = MatrixView<Double>(rows: 1, columns: team.count)
            team.run { done[0, $0.index] = VectorKernels.multiplyAddBurst(element, repeats: 2_000_000) }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            flops[0] = done.array.reduce(0, +) / seconds
            try communicator.allReduce(&flops, .sum)
            best = max(best, flops[0])
        }
        return best
    }
}

/// Memory of this process as the kernel counts it.
enum ProcessMemory {
    /// Pages that this process had to be given so far.
    static func pageFaults() -> Int {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_minflt
    }

    /// VmHWM of /proc/self/status, 0 where there is none.
    static func peakResidentBytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kibibytes = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }
        return (kibibytes ?? 0) << 10
    }
}
