package import ArgumentParser
internal import Communication
package import Optimization
internal import Regularizers
package import Settings
package import TrainingRuns

/// What a kind of run trains with where nothing is given.
package protocol OptimisationDefaults: SendableMetatype {
    associatedtype Configuration: RunConfiguration

    static var effectiveBatchSize: Int { get }
    static var epochs: Int { get }
    static var baseLearningRate: Double { get }
    static var minimumLearningRate: Double { get }
    static var warmupEpochs: Double { get }
}

/// Flags that say how long is trained, on how many images at once, and how fast.
package struct OptimisationOptions<Defaults: OptimisationDefaults>: ParsableArguments {
    @Option(help: "Images per rank and micro-batch (default: from --effective-batch-size).")
    package var batchSize: Int?

    @Option(help: "Images per update over all ranks and micro-batches, instead of --batch-size.")
    package var effectiveBatchSize = Defaults.effectiveBatchSize

    @Option(help: "Epochs.") package var epochs = Defaults.epochs
    @Option(help: "Micro-batches per update; gradients are exchanged after the last.") package var accumIter = 1
    @Option(help: "Base learning rate: the rate is blr × effective batch / 256.") package var blr = Defaults
        .baseLearningRate
    @Option(help: "Learning rate, instead of --blr.") package var lr: Double?
    @Option(help: "Lowest learning rate of the cosine.") package var minLr = Defaults.minimumLearningRate
    @Option(help: "Epochs of linear warm-up.") package var warmupEpochs = Defaults.warmupEpochs
    @Option(
        help: """
            When the rate changes: steps (at each, the cosine after the warm-up, as in MAE) or epochs (at each, the smaller of \
            warm-up and a cosine over all epochs, as in IcarusWizard/MAE).
            """)
    package var lrSchedule = LearningRateSchedule.Kind.steps
    @Option(help: "AdamW weight decay; none on tensors of one dimension.") package var weightDecay = 0.05
    @Flag(inversion: .prefixedNo, help: "Weight decay on tensors of one dimension too.") package var decayAll = false
    @Option(help: "Clip the gradient to this norm (default: none).") package var clipGrad: Double?
    @Option(help: "First epoch, counted from 0; --resume knows it by itself.") package var startEpoch = 0

    package init() {}

    package func validate() throws {
        try Bounds.check("--batch-size", batchSize, 1...1 << 20)
        try Bounds.check("--blr", blr, .atLeast(0))
        try checkLimits()
    }
}

extension OptimisationOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, Defaults.Configuration>] {
        [
            // With --batch-size it follows from that.
            FlagBinding(
                "--effective-batch-size", \.effectiveBatchSize, .within(Bounds.count),
                text: { "\($0.update.effectiveBatchSize)" }),
            FlagBinding("--epochs", \.epochs, \.schedule.epochs, .within(1...1_000_000)),
            // Divides the same batch otherwise, unless images of one micro-batch have to do with one another. Other flags
            // may decide it.
            FlagBinding(
                "--accum-iter", \.accumIter, .within(1...1 << 20),
                decidesNumbers: \.accumulationDecidesNumbers, text: { "\($0.update.accumulation)" }),
            // Without it, it follows from --blr and the batch.
            FlagBinding("--lr", \.lr, .atLeast(0), text: { "\($0.schedule.learningRate)" }),
            FlagBinding("--min-lr", \.minLr, \.schedule.minimumLearningRate, .atLeast(0)),
            FlagBinding("--warmup-epochs", \.warmupEpochs, \.schedule.warmupEpochs, .atLeast(0)),
            FlagBinding("--weight-decay", \.weightDecay, \.update.optimizer.weightDecay, .atLeast(0)),
            FlagBinding("--decay-all", \.decayAll, \.update.optimizer.decaysAll),
            FlagBinding("--lr-schedule", \.lrSchedule, \.schedule.lrSchedule),
            FlagBinding("beta1 of AdamW", text: { "\($0.update.optimizer.beta1)" }),
            FlagBinding("beta2 of AdamW", text: { "\($0.update.optimizer.beta2)" }),
            FlagBinding("epsilon of AdamW", text: { "\($0.update.optimizer.epsilon)" }),
            // An infinite maximum, with which torch's clip_grad_norm_ only measures, clips nothing.
            FlagBinding(
                "--clip-grad", \.clipGrad, .above(0, most: .infinity),
                apply: { $1.update.clipGradient = $0.clipGrad == .infinity ? nil : $0.clipGrad },
                text: { $0.update.clipGradient.map { "\($0)" } ?? "none" }),
            // A resumed run knows its epoch by itself.
            FlagBinding(
                "--start-epoch", \.startEpoch, \.schedule.startEpoch, .within(0...1_000_000),
                decidesNumbers: { _ in false }),
        ]
    }
}

extension LearningRateSchedule.Kind: ExpressibleByArgument {}
