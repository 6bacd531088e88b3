package import ArgumentParser
package import Optimization
package import Runs
package import Settings
package import TrainingRuns

/// Flags that say where a run is kept and what is done with it, and what its updates are watched for.
package struct RunOptions: ParsableArguments {
    @Option(
        help: """
            YAML file of flags, such as 'batch_size: 64', the name of one in recipes/, or - for standard input; the \
            environment (UMAE_BATCH_SIZE=64) and flags override it.
            """, completion: .file())
    package var recipe: String?

    @Option(help: "Directory of this run; '' keeps nothing (default: a new one below runs/).", completion: .directory)
    package var outputDir: String?

    @Option(
        help: """
            Checkpoint or run directory to go on from; 'auto' takes the newest of --output-dir, if any. Settings that are \
            not given are those of that run's config.yaml.
            """, completion: .directory)
    package var resume = ""

    @Option(help: "How often to save: a number of epochs, or 500steps, 30min, 2h; the last epoch is always saved.")
    package var checkpointEvery = CheckpointInterval.epochs(20)
    @Option(help: "Newest checkpoints that are kept.") package var keepCheckpoints = 3
    @Option(help: "Epochs between checkpoints that are kept for good besides; 0 for none.") package var keepEvery = 0
    @Option(help: "Seed of weights, order, crops, flips and masks.") package var seed: UInt64 = 0
    @Option(
        help: """
            An update whose loss or gradient norm is far above those before: none (made all the same), skip (left out; the \
            run stops after 10 in a row) or stop.
            """)
    package var spikeGuard = SpikeGuard.Action.none
    @Option(help: "Standard deviations above the running mean that are a spike.") package var spikeThreshold = 6.0
    @Option(help: "Updates between comparisons of all ranks' parameters, bit for bit; 0 for none.")
    package var replicaCheckEvery = 1000
    @Flag(inversion: .prefixedNo, help: "Print the settings of this run as a recipe, and stop.") package
        var printConfig = false
    @Flag(inversion: .prefixedNo, help: "Check everything, print what would be done and its memory, and stop.")
    package var dryRun = false

    package init() {}

    package func validate() throws {
        try Bounds.check("--keep-checkpoints", keepCheckpoints, Bounds.count)
        try Bounds.check("--keep-every", keepEvery, 0...Bounds.count.upperBound)
        try checkLimits()
    }

    package var request: RunOpening.Request {
        RunOpening.Request(
            directory: outputDir, resume: resume,
            retention: RunDirectory.Retention(keep: keepCheckpoints, keepEvery: keepEvery))
    }
}

extension RunOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, UpdateConfiguration>] {
        [
            FlagBinding("--seed", \.seed, \.seed), FlagBinding("--spike-guard", \.spikeGuard, \.spikeGuard),
            FlagBinding(
                "--spike-threshold", \.spikeThreshold, \.spikeThreshold, .above(0),
                decidesNumbers: { $0.spikeGuard != .none }),
            FlagBinding(
                "--replica-check-every", \.replicaCheckEvery, \.replicaCheckEvery,
                .within(0...Bounds.count.upperBound), decidesNumbers: { _ in false }),
        ]
    }
}

extension SpikeGuard.Action: ExpressibleByArgument {}

extension CheckpointInterval: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
    public var defaultValueDescription: String { text }
}
