internal import DataParallel
internal import Models
internal import Optimization
internal import Tensors

extension StepConfiguration {
    /// Throws `ModelError` naming the first value that cannot be.
    package func validate() throws {
        try model.validate()
        guard accumulation >= 1 else { throw ModelError("--accum-iter is \(accumulation): it must be at least 1") }
        guard effectiveBatchSize >= 1 else {
            throw ModelError("the effective batch is \(effectiveBatchSize) images: it must be at least 1")
        }
        try loss.validate(
            images: loss.spansMicroBatches(accumulation) ? effectiveBatchSize : effectiveBatchSize / accumulation)
        for (flag, value) in [("--weight-decay", optimizer.weightDecay), ("--lamb", loss.lamb)]
        where !value.isFinite || value < 0 {
            throw ModelError("\(flag) is \(value): it must be 0 or above")
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
        guard loss.negatives == .effective && loss.regularizer.exchange == .gather else {
            throw ModelError(
                "--deterministic compares all features of the effective batch on every rank: use --negatives effective "
                    + "and --uniformity-exchange gather")
        }
        guard !gradientExchange.shardsOptimizer && gradientExchange.wire == .float32 else {
            throw ModelError("--deterministic goes neither with --shard-optimizer nor with --gradient-wire bf16")
        }
    }
}

extension PretrainConfiguration {
    /// Throws `ModelError` naming the first value that cannot be.
    package func validate() throws {
        try step.validate()
        try schedule.validate()
    }
}

extension Schedule {
    func validate() throws {
        guard epochs >= 1 else { throw ModelError("--epochs is \(epochs): it must be at least 1") }
        guard startEpoch >= 0 && startEpoch < epochs else {
            throw ModelError("--start-epoch is \(startEpoch): it must be at least 0 and below --epochs \(epochs)")
        }
        for (flag, value) in [
            ("--lr", learningRate), ("--min-lr", minimumLearningRate), ("--warmup-epochs", warmupEpochs),
        ] where !value.isFinite || value < 0 {
            throw ModelError("\(flag) is \(value): it must be 0 or above")
        }
        guard minimumLearningRate <= learningRate else {
            throw ModelError(
                "--min-lr is \(minimumLearningRate): it must not be above the peak rate, which is \(learningRate) "
                    + "(--lr, or --blr × effective batch / 256)")
        }
    }
}
