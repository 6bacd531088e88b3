internal import Communication
internal import DataParallel
internal import Tensors
package import TrainingRuns

extension RunConfiguration {
    /// Looks whether settings that any run has, and that are each what they may be, also go together.
    ///
    /// - Throws: `SettingsError` that names the first which does not.
    package func checkSchedule() throws {
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

extension UpdateConfiguration {
    /// Where bits must not depend on the ranks, nothing that depends on them may enter.
    /// - Throws: `SettingsError` that names what does not go together.
    package func checkFixedShards() throws {
        let shards = gradientExchange.fixedShards
        guard shards > 0 else { return }
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
        guard !gradientExchange.shardsOptimizer && gradientExchange.wire == .float32 else {
            throw SettingsError("--deterministic goes neither with --shard-optimizer nor with --gradient-wire bf16")
        }
    }
}
