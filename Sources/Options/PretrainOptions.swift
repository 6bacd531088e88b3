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

/// Flags of the training run: those of facebookresearch/mae and U-MAE `main_pretrain.py`, and a few more.
package struct PretrainOptions: ParsableArguments {
    @OptionGroup(title: "Model") package var model: ModelOptions
    @OptionGroup(title: "Losses") package var loss: LossOptions
    @OptionGroup(title: "Optimisation") package var optimisation: OptimisationOptions
    @OptionGroup(title: "Messages") package var exchange: ExchangeOptions
    @OptionGroup(title: "Data") package var data: DataOptions
    @OptionGroup(title: "Run") package var run: RunOptions
    @OptionGroup(title: "Computation") package var compute: ComputeOptions
    @OptionGroup(title: "Accepted from main_pretrain.py") package var compatibility: CompatibilityOptions

    package init() {}

    /// Everything that decides what is computed, for a world of `ranks` and data of `channels`.
    ///
    /// - Parameter saved: of the checkpoint to go on from. Where `--batch-size` is given for each rank and the number of
    ///   ranks has changed, micro-batches are divided anew so that the effective batch stays.
    package func configuration(
        ranks: Int, channels: Int, precision: ElementType, resuming saved: PretrainConfiguration? = nil
    ) throws -> PretrainConfiguration {
        var model = try self.model.configuration()
        if let wanted = self.model.inChans, wanted != channels && data.dataPath != ImageDataset.syntheticName {
            throw SettingsError(
                "--in-chans is \(wanted), the images of \(data.dataPath) have \(channels): leave the flag out")
        }
        model.channels = self.model.inChans ?? channels
        var accumulation = try exchange.accumulation(optimisation.accumIter, ranks: ranks)
        var effective = try optimisation.effectiveBatch(ranks: ranks, accumulation: accumulation)
        if let saved, !exchange.deterministic, let batchSize = optimisation.batchSize,
            saved.effectiveBatchSize != effective
        {
            effective = saved.effectiveBatchSize
            accumulation = try Self.microBatches(of: effective, ranks: ranks, imagesAtMost: batchSize)
        }
        var configuration = PretrainConfiguration()
        configuration.model = model
        configuration.loss = loss.configuration()
        exchange.adjust(&configuration.loss)
        configuration.gradientExchange = exchange.configuration()
        optimisation.apply(to: &configuration)
        data.apply(to: &configuration.data)
        configuration.mean = data.mean?.values(channels: channels) ?? saved?.mean
        configuration.standardDeviation = data.std?.values(channels: channels) ?? saved?.standardDeviation
        run.apply(to: &configuration.step)
        configuration.precision = precision
        configuration.accumulation = accumulation
        configuration.effectiveBatchSize = effective
        configuration.learningRate =
            optimisation.lr ?? LearningRateSchedule.scaled(base: optimisation.blr, effectiveBatch: effective)
        try configuration.check()
        return configuration
    }

    /// The fewest micro-batches of equal size, at most `most` images on each rank, that make up `effective` images.
    package static func microBatches(of effective: Int, ranks: Int, imagesAtMost most: Int) throws -> Int {
        guard effective % ranks == 0 else {
            let possible = (1...max(effective, 1)).filter { effective % $0 == 0 }.suffix(64)
            let near = possible.filter { $0 < ranks }.last.map { "\($0)" } ?? "1"
            throw SettingsError(
                "the checkpoint's effective batch of \(effective) images cannot be divided among \(ranks) ranks: "
                    + "use \(near) ranks\(possible.first { $0 > ranks }.map { " or \($0)" } ?? "")")
        }
        let own = effective / ranks
        return (1...own).first { own % $0 == 0 && own / $0 <= most } ?? own
    }
}
