package import ArgumentParser
package import Communication
package import Runs
package import Settings
package import Tensors
package import TrainingRuns

/// Flags that say how a rank computes.
package struct ComputeOptions: ParsableArguments {
    package enum Precision: String, CaseIterable, ExpressibleByArgument {
        case fp32, bf16, auto
    }

    @Option(
        help: """
            Operands of the matrix products; auto is bf16 where every rank's CPU multiplies it in hardware, fp32 \
            elsewhere. Sums, weights, gradients, norms and losses are fp32. (default: auto; debug: fp32)
            """)
    package var precision: Precision?

    @Option(help: "Threads of each rank (default: the cores this rank may use over the ranks that share them).")
    package var threads: Int?

    @Flag(
        inversion: .prefixedNo,
        help: """
            Keep activations only of the first and the last block of encoder and decoder, and compute the others' \
            again in backward: the same numbers, less memory, a tenth more time.
            """)
    package var recomputeActivations = false

    @Option(
        help: """
            Write what every rank did when, and the messages under way meanwhile, to this file (Trace Event Format, for \
            chrome://tracing or Perfetto); of a long run, its last steps.
            """, completion: .file())
    package var timeline: String?

    package static let threadCount = 1...1024

    package init() {}

    package mutating func validate() throws {
        // What holds where nothing was given.
        precision = precision ?? .auto
        try Bounds.check("--threads", threads, Self.threadCount)
        try Bounds.check("--stall-timeout", stallTimeout, .atLeast(1), most: 1e6)
    }

    /// What products read, the same on every rank. Collective.
    package func element(in world: any Communicator) throws -> ElementType {
        try Self.element(precision ?? .auto, in: world)
    }

    /// Collective.
    package static func element(_ chosen: Precision, in world: any Communicator) throws -> ElementType {
        try world.agree {
            guard chosen != .bf16 || VectorKernels.hasFastBFloat16 else {
                throw SettingsError(
                    "--precision bf16 needs a CPU that multiplies bfloat16 (avx512_bf16), and this one, with "
                        + "\(VectorKernels.instructionSet) kernels, does not: use --precision fp32 or auto")
            }
        }
        guard chosen == .auto else { return chosen == .bf16 ? .bfloat16 : .float32 }
        var lacking = [VectorKernels.hasFastBFloat16 ? 0.0 : 1.0]
        try world.allReduce(&lacking, .sum)
        return lacking[0] == 0 ? .bfloat16 : .float32
    }

    @Option(help: "Seconds that a rank may do one thing before the run ends and says which rank did what.")
    package var stallTimeout = 600.0

    /// Every rank must call it.
    package func watchForStalls(in world: any Communicator) throws {
        try world.agree { try world.watchForStalls(timeout: stallTimeout) }
    }

    /// - Parameter workers: threads that prepare micro-batches; nil for as many as is usual.
    package func computing(workers: Int? = nil) -> ComputeConfiguration {
        var computing = ComputeConfiguration()
        computing.recomputesActivations = recomputeActivations
        computing.timeline = timeline
        computing.workers = workers ?? computing.workers
        return computing
    }

    /// A file that cannot be written, or that is something else, is known before the run and not after it. Collective.
    ///
    /// - Parameter runDirectory: a directory that will be there by then.
    package func checkTimeline(in world: any Communicator, besides runDirectory: String? = nil) throws {
        try world.agree {
            guard let timeline, world.rank == 0 else { return }
            try Timeline.examine(timeline, besides: runDirectory)
        }
    }

    /// Collective.
    package func team(in world: any Communicator) throws -> Team { try Self.team(threads: threads, in: world) }

    /// Threads that prepare batches: as many as are asked for, or as there are cores without another thread, one at least.
    /// Collective.
    package static func workers(_ asked: Int?, besides team: Team, in world: any Communicator) throws -> Int {
        let spare = try ProcessorAffinity.threads(world) - team.count
        return asked ?? min(max(spare, 1), 16)
    }

    /// Collective.
    package static func team(threads: Int?, in world: any Communicator) throws -> Team {
        let allowed = try ProcessorAffinity.threads(world)
        return try world.agree {
            try Team(threads: threads ?? min(max(allowed, threadCount.lowerBound), threadCount.upperBound))
        }
    }
}

extension ComputeOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, UpdateConfiguration>] {
        // What is asked for is chosen from with all ranks.
        [FlagBinding("--precision", \.precision, text: \.precision.rawValue)]
    }
}
