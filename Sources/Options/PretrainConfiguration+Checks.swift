internal import Communication
internal import DataParallel
internal import LinearAlgebra
internal import Models
package import Pretraining
internal import Regularizers
internal import Tensors
internal import TrainingRuns

extension PretrainConfiguration {
    /// Looks whether settings that are each what they may be also go together.
    ///
    /// - Throws: `ModelError` or `SettingsError` that names the first which does not.
    package func check() throws {
        try step.check()
        // Images are divided by it. A flag's value has been looked at, that of a checkpoint has not.
        guard data.standardDeviation?.allSatisfy({ $0 > 0 }) != false else {
            throw SettingsError("--std is 0 or below for a channel: it must be above 0")
        }
        let (start, epochs) = (schedule.startEpoch, schedule.epochs)
        guard start < epochs else {
            throw SettingsError("--start-epoch is \(start): it must be at least 0 and below --epochs \(epochs)")
        }
        guard schedule.minimumLearningRate <= schedule.learningRate else {
            throw SettingsError(
                "--min-lr is \(schedule.minimumLearningRate): it must not be above the peak rate, which is "
                    + "\(schedule.learningRate) (--lr, or --blr × effective batch / 256)")
        }
    }
}

extension StepConfiguration {
    /// As that of the whole.
    package func check() throws {
        try model.validate()
        try loss.validate(
            images: loss.spansMicroBatches(accumulation) ? effectiveBatchSize : effectiveBatchSize / accumulation)
        if gradientExchange.fixedShards > 0 { try checkFixedShards() }
        if loss.regularizer.kind == .tcr { try OpenBLAS.load() }
    }

    /// Where bits must not depend on the ranks, nothing that depends on them may enter.
    private func checkFixedShards() throws {
        let shards = gradientExchange.fixedShards
        guard effectiveBatchSize % shards == 0 else {
            throw SettingsError(
                "--deterministic divides the effective batch of \(effectiveBatchSize) images into \(shards) parts: "
                    + "--deterministic-shards must be a power of two that divides it")
        }
        guard shards % accumulation == 0 else {
            throw SettingsError(
                "--deterministic divides the effective batch into \(shards) parts, which \(accumulation) "
                    + "micro-batches do not divide")
        }
        guard loss.negatives == .effective && loss.regularizer.transport == .gather else {
            throw SettingsError(
                "--deterministic compares all features of the effective batch on every rank: use --negatives effective "
                    + "and --uniformity-exchange gather")
        }
        guard !gradientExchange.shardsOptimizer && gradientExchange.wire == .float32 else {
            throw SettingsError("--deterministic goes neither with --shard-optimizer nor with --gradient-wire bf16")
        }
    }
}
