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
        try checkSchedule()
    }
}

extension StepConfiguration {
    /// As that of the whole.
    package func check() throws {
        try model.validate()
        try loss.validate(
            images: update.effectiveBatchSize
                / (loss.spansMicroBatches(update.accumulation) ? 1 : update.accumulation))
        try update.checkFixedShards()
        if update.gradientExchange.fixedShards > 0 {
            guard loss.negatives == .effective && loss.regularizer.transport == .gather else {
                throw SettingsError(
                    "--deterministic compares all features of the effective batch on every rank: use --negatives effective "
                        + "and --uniformity-exchange gather")
            }
        }
        if loss.regularizer.kind == .tcr { try OpenBLAS.load() }
    }
}
