internal import Augmentation
internal import Classification
internal import Communication
package import FineTuning
internal import ImageCodecs
internal import Models
internal import Options
package import Settings
internal import TrainingRuns

extension FineTuneConfiguration: NamedConfiguration {
    package var settings: [ConfigurationSetting] {
        modelSettings + OptimisationOptions<FineTuneDefaults>.settings(of: self)
            + TuningOptions.settings(of: classification)
            + FineTuneAugmentOptions.settings(of: self) + ExchangeOptions.settings(of: update.gradientExchange)
            + DataOptions.settings(of: data) + RunOptions.settings(of: update) + ComputeOptions.settings(of: update)
    }

    package var modelSettings: [ConfigurationSetting] { ClassifierOptions.settings(of: model) }
}

extension FineTuneConfiguration {
    /// Looks whether settings that are each what they may be also go together.
    ///
    /// - Throws: `SettingsError` that names the first which does not.
    func check() throws {
        try checkSchedule()
        do {
            _ = try augmentation.mixing(of: ImageSize(height: model.imageHeight, width: model.imageWidth))
        } catch { throw SettingsError("--cutmix-minmax: \(error)") }
        try update.checkFixedShards()
    }
}
