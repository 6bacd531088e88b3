package import Pretraining
package import Settings
internal import TrainingRuns

extension PretrainConfiguration: NamedConfiguration {
    package var settings: [ConfigurationSetting] {
        modelSettings + LossOptions.settings(of: step.loss) + OptimisationOptions<PretrainDefaults>.settings(of: self)
            + ExchangeOptions.settings(of: update.gradientExchange) + DataOptions.settings(of: data)
            + CropOptions.settings(of: data) + RunOptions.settings(of: update) + ComputeOptions.settings(of: update)
    }

    package var modelSettings: [ConfigurationSetting] { ModelOptions.settings(of: step.model) }
}
