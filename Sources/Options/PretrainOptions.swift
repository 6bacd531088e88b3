package import ArgumentParser
internal import Communication
internal import ImageData
internal import ImageSources
internal import Models
internal import Optimization
package import Pretraining
internal import Settings
package import Tensors
internal import TrainingRuns

/// A small run that ends in minutes.
package enum PretrainDefaults: OptimisationDefaults {
    package typealias Configuration = PretrainConfiguration

    package static var effectiveBatchSize: Int { 128 }
    package static var epochs: Int { 8 }
    package static var baseLearningRate: Double { 4e-3 }
    package static var minimumLearningRate: Double { 0 }
    package static var warmupEpochs: Double { 0.5 }
}

/// Flags of the training run: those of facebookresearch/mae and U-MAE `main_pretrain.py`, and a few more.
package struct PretrainOptions: ParsableArguments {
    @OptionGroup(title: "Model") package var model: ModelOptions
    @OptionGroup(title: "Losses") package var loss: LossOptions
    @OptionGroup(title: "Optimisation") package var optimisation: OptimisationOptions<PretrainDefaults>
    @OptionGroup(title: "Messages") package var exchange: ExchangeOptions
    @OptionGroup(title: "Data") package var data: DataOptions
    @OptionGroup(title: "Crops") package var crops: CropOptions
    @OptionGroup(title: "Run") package var run: RunOptions
    @OptionGroup(title: "Evaluation") package var heldOut: HeldOutOptions
    @OptionGroup(title: "Computation") package var compute: ComputeOptions
    @OptionGroup(title: "Accepted from main_pretrain.py") package var compatibility: CompatibilityOptions

    package init() {}

    /// Everything that decides what is computed, for a world of `ranks` and data of `channels`.
    ///
    /// - Parameter saved: of the checkpoint to go on from; see `OptimisationOptions.applyBatch`.
    package func configuration(
        ranks: Int, channels: Int, precision: ElementType, resuming saved: PretrainConfiguration? = nil
    ) throws -> PretrainConfiguration {
        var model = try self.model.configuration()
        if let wanted = self.model.inChans, wanted != channels && data.dataPath != ImageDataset.syntheticName {
            throw SettingsError(
                "--in-chans is \(wanted), the images of \(data.dataPath) have \(channels): leave the flag out")
        }
        model.channels = self.model.inChans ?? channels
        var configuration = PretrainConfiguration()
        configuration.model = model
        configuration.loss = loss.configuration()
        exchange.adjust(&configuration.loss)
        optimisation.apply(to: &configuration)
        data.apply(to: &configuration.data)
        crops.apply(to: &configuration.data)
        configuration.mean = data.mean?.values(channels: channels) ?? saved?.mean
        configuration.standardDeviation = data.std?.values(channels: channels) ?? saved?.standardDeviation
        run.apply(to: &configuration.update)
        configuration.precision = precision
        try optimisation.applyBatch(to: &configuration, exchange, ranks: ranks, resuming: saved)
        try configuration.check()
        return configuration
    }
}
