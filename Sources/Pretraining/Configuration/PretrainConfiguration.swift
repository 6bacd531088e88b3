package import DataParallel
package import Models
package import Optimization
internal import Regularizers
package import Tensors

/// Everything that decides what a run computes. Saved with each checkpoint; all ranks must hold the same.
package struct PretrainConfiguration: Codable, Equatable, Sendable {
    package var model: MaskedAutoencoderConfiguration
    package var loss: LossConfiguration
    /// What matrix products read; everything else is fp32.
    package var precision: ElementType
    /// A directory, or `synthetic`.
    package var dataPath: String
    /// Images of the synthetic set.
    package var syntheticImages: Int
    package var epochs: Int
    package var startEpoch: Int
    package var warmupEpochs: Double
    /// Images of one update, over all ranks and micro-batches.
    package var effectiveBatchSize: Int
    package var accumulation: Int
    /// Peak rate, scaled.
    package var learningRate: Double
    package var minimumLearningRate: Double
    package var optimizer: AdamW.Configuration
    /// Largest gradient norm; nil does not clip.
    package var clipGradient: Double?
    package var seed: UInt64
    package var gradientExchange = GradientSumConfiguration()
    /// What happens to an update whose loss or gradient norm is a spike, and how far above the mean one is.
    package var spikeGuard = SpikeGuard.Action.none
    package var spikeThreshold = 6.0
    /// Updates between comparisons of the ranks' parameters; 0 for none.
    package var replicaCheckEvery = 1000

    package init(
        model: MaskedAutoencoderConfiguration, loss: LossConfiguration, precision: ElementType, dataPath: String,
        syntheticImages: Int, epochs: Int, startEpoch: Int, warmupEpochs: Double, effectiveBatchSize: Int,
        accumulation: Int,
        learningRate: Double, minimumLearningRate: Double, optimizer: AdamW.Configuration, clipGradient: Double?,
        seed: UInt64
    ) {
        self.model = model
        self.loss = loss
        self.precision = precision
        self.dataPath = dataPath
        self.syntheticImages = syntheticImages
        self.epochs = epochs
        self.startEpoch = startEpoch
        self.warmupEpochs = warmupEpochs
        self.effectiveBatchSize = effectiveBatchSize
        self.accumulation = accumulation
        self.learningRate = learningRate
        self.minimumLearningRate = minimumLearningRate
        self.optimizer = optimizer
        // An infinite maximum, with which torch's clip_grad_norm_ only measures, clips nothing.
        self.clipGradient = clipGradient == .infinity ? nil : clipGradient
        self.seed = seed
    }

    /// A run of which nothing is said.
    static var defaults: PretrainConfiguration {
        PretrainConfiguration(
            model: MaskedAutoencoderConfiguration(), loss: LossConfiguration(), precision: .float32,
            dataPath: "synthetic", syntheticImages: 4096, epochs: 1, startEpoch: 0, warmupEpochs: 0,
            effectiveBatchSize: 256, accumulation: 1, learningRate: 0, minimumLearningRate: 0,
            optimizer: AdamW.Configuration(), clipGradient: nil, seed: 0)
    }

    package var schedule: LearningRateSchedule {
        LearningRateSchedule(
            peak: learningRate, minimum: minimumLearningRate, warmupEpochs: warmupEpochs, epochs: Double(epochs))
    }

    /// Throws `ModelError` naming the first value that cannot be.
    package func validate() throws {
        try model.validate()
        guard epochs >= 1 else { throw ModelError("--epochs is \(epochs): it must be at least 1") }
        guard startEpoch >= 0 && startEpoch < epochs else {
            throw ModelError("--start-epoch is \(startEpoch): it must be at least 0 and below --epochs \(epochs)")
        }
        guard accumulation >= 1 else { throw ModelError("--accum-iter is \(accumulation): it must be at least 1") }
        guard effectiveBatchSize >= 1 else {
            throw ModelError("the effective batch is \(effectiveBatchSize) images: it must be at least 1")
        }
        try loss.validate(
            images: loss.spansMicroBatches(accumulation) ? effectiveBatchSize : effectiveBatchSize / accumulation)
        let rates: [(String, Double)] = [
            ("--lr", learningRate), ("--min-lr", minimumLearningRate), ("--warmup-epochs", warmupEpochs),
            ("--weight-decay", optimizer.weightDecay), ("--lamb", loss.lamb),
        ]
        for (flag, value) in rates where !value.isFinite || value < 0 {
            throw ModelError("\(flag) is \(value): it must be 0 or above")
        }
        guard minimumLearningRate <= learningRate else {
            throw ModelError(
                "--min-lr is \(minimumLearningRate): it must not be above the peak rate, which is \(learningRate) "
                    + "(--lr, or --blr × effective batch / 256)")
        }
        try validateFixedShards()
        guard spikeThreshold > 0 && spikeThreshold.isFinite else {
            throw ModelError("--spike-threshold is \(spikeThreshold): it must be above 0")
        }
        guard replicaCheckEvery >= 0 else {
            throw ModelError("--replica-check-every is \(replicaCheckEvery): it must be 0 or above")
        }
        if let clipGradient, !(clipGradient > 0) {
            throw ModelError("--clip-grad is \(clipGradient): it must be above 0")
        }
    }

    /// Where bits must not depend on the ranks, nothing that depends on them may enter.
    private func validateFixedShards() throws {
        guard gradientExchange.bucketBytes >= 1 << 10 && gradientExchange.bucketBytes <= 1 << 31 else {
            throw ModelError("--bucket-mib must be at least 0.001 and at most 2048")
        }
        let shards = gradientExchange.fixedShards
        guard shards > 0 else { return }
        guard shards.nonzeroBitCount == 1 && effectiveBatchSize % shards == 0 else {
            throw ModelError(
                "--deterministic divides the effective batch of \(effectiveBatchSize) images into \(shards) parts: "
                    + "--deterministic-shards must be a power of two that divides it")
        }
        guard shards % accumulation == 0 else {
            throw ModelError(
                "--deterministic divides the effective batch into \(shards) parts, which \(accumulation) "
                    + "micro-batches do not divide")
        }
        guard loss.negatives == .effective && loss.regularizer.transport == .gather else {
            throw ModelError(
                "--deterministic compares all features of the effective batch on every rank: use --negatives effective "
                    + "and --uniformity-exchange gather")
        }
        guard !gradientExchange.shardsOptimizer && gradientExchange.wire == .float32 else {
            throw ModelError("--deterministic goes neither with --shard-optimizer nor with --gradient-wire bf16")
        }
    }
}
