package import ArgumentParser
internal import Communication
internal import Optimization
package import Pretraining
internal import Regularizers
package import Settings
internal import TrainingRuns

/// Flags that say how long is trained, on how many images at once, and how fast.
package struct OptimisationOptions: ParsableArguments {
    @Option(help: "Images per rank and micro-batch (default: from --effective-batch-size).")
    package var batchSize: Int?

    @Option(help: "Images per update over all ranks and micro-batches, instead of --batch-size.")
    package var effectiveBatchSize = 256

    @Option(help: "Epochs.") package var epochs = 5
    @Option(help: "Micro-batches per update; gradients are exchanged after the last.") package var accumIter = 1
    @Option(help: "Base learning rate: the rate is blr × effective batch / 256.") package var blr = 4e-3
    @Option(help: "Learning rate, instead of --blr.") package var lr: Double?
    @Option(help: "Lowest learning rate of the cosine.") package var minLr = 0.0
    @Option(help: "Epochs of linear warm-up.") package var warmupEpochs = 0.5
    @Option(help: "AdamW weight decay; none on tensors of one dimension.") package var weightDecay = 0.05
    @Option(help: "Clip the gradient to this norm (default: none).") package var clipGrad: Double?
    @Option(help: "First epoch, counted from 0; --resume knows it by itself.") package var startEpoch = 0

    package init() {}

    package func validate() throws {
        try Bounds.check("--batch-size", batchSize, 1...1 << 20)
        try Bounds.check("--blr", blr, .atLeast(0))
        try checkLimits()
    }

    /// Images of one update.
    ///
    /// - Parameter accumulation: micro-batches of each rank, --accum-iter or what replaces it.
    package func effectiveBatch(ranks: Int, accumulation: Int) throws -> Int {
        if let batchSize { return batchSize * accumulation * ranks }
        guard effectiveBatchSize % (ranks * accumulation) == 0 else {
            throw SettingsError(
                "--effective-batch-size \(effectiveBatchSize) is not divisible by \(ranks) ranks × \(accumulation) "
                    + "micro-batches: choose a multiple of \(ranks * accumulation), or give --batch-size per rank")
        }
        return effectiveBatchSize
    }
}

extension OptimisationOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, PretrainConfiguration>] {
        [
            // With --batch-size it follows from that.
            FlagBinding(
                "--effective-batch-size", \.effectiveBatchSize, .within(Bounds.count),
                text: { "\($0.effectiveBatchSize)" }),
            FlagBinding("--epochs", \.epochs, \.epochs, .within(1...1_000_000)),
            // Divides the same batch otherwise, unless only images of one micro-batch are compared. Other flags may
            // decide it.
            FlagBinding(
                "--accum-iter", \.accumIter, .within(1...1 << 20),
                decidesNumbers: { $0.loss.weight != 0 && $0.loss.negatives == .micro }, text: { "\($0.accumulation)" }),
            // Without it, it follows from --blr and the batch.
            FlagBinding("--lr", \.lr, .atLeast(0), text: { "\($0.learningRate)" }),
            FlagBinding("--min-lr", \.minLr, \.minimumLearningRate, .atLeast(0)),
            FlagBinding("--warmup-epochs", \.warmupEpochs, \.warmupEpochs, .atLeast(0)),
            FlagBinding("--weight-decay", \.weightDecay, \.optimizer.weightDecay, .atLeast(0)),
            FlagBinding("beta1 of AdamW", text: { "\($0.optimizer.beta1)" }),
            FlagBinding("beta2 of AdamW", text: { "\($0.optimizer.beta2)" }),
            FlagBinding("epsilon of AdamW", text: { "\($0.optimizer.epsilon)" }),
            // An infinite maximum, with which torch's clip_grad_norm_ only measures, clips nothing.
            FlagBinding(
                "--clip-grad", \.clipGrad, .above(0, most: .infinity),
                apply: { $1.clipGradient = $0.clipGrad == .infinity ? nil : $0.clipGrad },
                text: { $0.clipGradient.map { "\($0)" } ?? "none" }),
            // A resumed run knows its epoch by itself.
            FlagBinding(
                "--start-epoch", \.startEpoch, \.startEpoch, .within(0...1_000_000), decidesNumbers: { _ in false }),
        ]
    }
}
