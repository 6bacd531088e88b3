internal import Training
package import Communication
internal import DataParallel
import Foundation
internal import ImageData
internal import Models
package import Tensors
package import Pretraining
internal import Runs

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
    package let recomputesActivations: Bool
    /// File for a timeline of the measured steps, if wanted.
    package let timelinePath: String?
    /// Ranks that measure the same beside this one, each by itself.
    private let neighbors: (any Communicator)?

    /// - Parameter neighbors: ranks that measure the same beside this one, each by itself and run as a `SingleProcess` in
    ///   step with them.
    package init(
        name: String, configuration: StepConfiguration, steps: Int, warmupSteps: Int, recomputesActivations: Bool,
        timelinePath: String? = nil, neighbors: (any Communicator)? = nil
    ) {
        self.neighbors = neighbors
        self.timelinePath = timelinePath
        self.name = name
        self.recomputesActivations = recomputesActivations
        self.configuration = configuration
        self.steps = steps
        self.warmupSteps = warmupSteps
    }

    /// Collective; every rank returns the same.
    package func run(communicator: any Communicator, team: Team) throws -> Result {
        let timeline = timelinePath.map { _ in Timeline() }
        let layout = try self.layout(timeline, in: neighbors ?? communicator)
        let counted = try communicator.agree {
            try layout.count(configuration, saves: false, communicator: communicator, team: team)
        }
        try MemoryCheck.run(
            counted, held: layout.source.heldBytes,
            remedies: MemoryCheck.Remedies(
                configuration, recomputesActivations: recomputesActivations, ranks: communicator.size),
            in: neighbors ?? communicator)
        let plan = MemoryPlan()
        plan.add(.data, "images", bytes: layout.source.heldBytes)
        let (step, loader) = try layout.make(configuration, communicator: communicator, team: team, plan: plan)
        defer { loader.stop() }
        step.pass.objective.model.initialize(seed: configuration.seed)

        var peak = try PeakRate.measure(configuration.precision, communicator: communicator, team: team)
        for update in 1...max(warmupSteps, 1) { _ = try step.run(update, learningRate: 1e-4) }
        try communicator.barrier()
        step.clock.reset()
        var seconds: [Double] = []
        seconds.reserveCapacity(steps)
        let phases = PhaseClock.Phase.allCases
        var phaseSeconds = [[Double]](repeating: [Double](repeating: 0, count: steps), count: phases.count)
        var loss = 0.0
        var exposed = 0.0
        let faultsBefore = ProcessMemory.pageFaults()
        for update in 1...steps {
            for phase in phases { phaseSeconds[phase.rawValue][update - 1] = -step.clock[phase] }
            let outcome = try step.run(max(warmupSteps, 1) + update, learningRate: 1e-4)
            for phase in phases { phaseSeconds[phase.rawValue][update - 1] += step.clock[phase] }
            seconds.append(outcome.seconds)
            loss = outcome.figures.reconstruction
            exposed += step.exposedCommunicationSeconds
        }
        let faults = Double(ProcessMemory.pageFaults() - faultsBefore) / Double(steps)
        peak = max(peak, try PeakRate.measure(configuration.precision, communicator: communicator, team: team))

        if let timelinePath { try timeline?.write(to: timelinePath, communicator) }

        var largest = phaseSeconds.map { $0.sorted()[steps / 2] }
        largest += [
            seconds.sorted()[steps / 2], Double(ProcessMemory.peakResidentBytes()), faults, exposed / Double(steps),
        ]
        try communicator.allReduce(&largest, .maximum)
        let secondsPerStep = largest[phases.count]
        let imagesPerSecond = Double(configuration.effectiveBatchSize) / secondsPerStep
        let flops = configuration.model.flopsPerImage
        return Result(
            model: name, precision: configuration.precision.rawValue, ranks: communicator.size,
            threadsPerRank: team.count,
            batchSizePerRank: configuration.effectiveBatchSize / communicator.size / configuration.accumulation,
            imagesPerSecond: imagesPerSecond, flopsPerImage: flops, flopsPerSecond: flops * imagesPerSecond,
            peakFlopsPerSecond: peak, fractionOfPeak: flops * imagesPerSecond / peak, secondsPerStep: secondsPerStep,
            secondsPerPhase: Dictionary(uniqueKeysWithValues: phases.map { ($0.name, largest[$0.rawValue]) }),
            peakMemoryBytes: Int(largest[phases.count + 1]),
            exposedCommunicationSeconds: largest[phases.count + 3], plannedMemoryBytes: plan.totalBytes,
            plannedMemoryByPurpose: Dictionary(
                uniqueKeysWithValues: MemoryPlan.Purpose.allCases.map { ($0.rawValue, plan.bytes(for: $0)) }),
            pageFaultsPerStep: largest[phases.count + 2], accumIter: configuration.accumulation, steps: steps,
            kernels: VectorKernels.instructionSet,
            loss: loss)
    }

    /// Refuses what cannot fit before any images are made for it. Collective.
    private func layout(_ timeline: Timeline?, in world: any Communicator) throws -> StepLayout {
        let c = configuration
        // Several of them measure by themselves: each is a run of one rank.
        let ranks = neighbors == nil ? world.size : 1
        try MemoryCheck.refuse(MemoryEstimate(c, ranks: ranks), in: world)
        return try world.agree {
            let source = try SyntheticImages(
                SyntheticImageParameters(
                    count: max(4096, c.effectiveBatchSize), channels: c.model.channels,
                    size: ImageSize(height: c.model.imageHeight, width: c.model.imageWidth), seed: c.seed),
                split: .train)
            return StepLayout(
                source: source, statistics: try ChannelStatistics(of: source), classes: source.classCount, prefetch: 2,
                recomputesActivations: recomputesActivations, timeline: timeline)
        }
    }
}

/// The rate of independent fused multiply-adds on registers, all threads of all ranks at once: what no program exceeds.
enum PeakRate {
    /// FLOP/s of all ranks together, the best of several short bursts. Collective.
    static func measure(_ element: ElementType, communicator: any Communicator, team: Team) throws -> Double {
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
