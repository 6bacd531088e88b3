package import Augmentation
internal import Communication
internal import DataParallel
internal import ImageCodecs
package import ImageData
package import ImageSources
internal import Layers
package import Models
internal import Optimization
package import Runs
package import Tensors
internal import Training
package import TrainingRuns

/// Makes all that training steps need, for a run, for a measurement, or only to count the memory.
package struct StepLayout {
    package var source: any ImageSource
    package var statistics: ChannelStatistics
    /// Of the online classifier; nil for none.
    let classes: Int?
    package let compute: ComputeConfiguration
    /// What becomes of images that cannot be decoded.
    package let badImages: BadImages
    /// What is taken of an image.
    private let augmentation: ImageAugmentation

    package init(
        source: any ImageSource, statistics: ChannelStatistics, classes: Int?, compute: ComputeConfiguration,
        augmentation: ImageAugmentation = .crop(RandomResizedCrop()), badImages: BadImages.Action = .fail
    ) {
        self.source = source
        self.statistics = statistics
        self.classes = classes
        self.compute = compute
        self.augmentation = augmentation
        self.badImages = BadImages(badImages, of: source.count)
    }

    /// The parts of a run of `c`; its weights are not yet initialised.
    ///
    /// - Parameter position: the step of an epoch that comes first.
    package func make(
        _ c: StepConfiguration, at position: (epoch: Int, step: Int) = (0, 0), on resources: RankResources
    ) throws -> TrainingParts<PretrainObjective> {
        let (world, memory) = (resources.communicator, resources.memory)
        let division = try EpochDivision(
            imageCount: source.count, c.update.batchPlan(ranks: world.size), rank: world.rank)
        let loader = try BatchLoader(
            source: source,
            transform: ImageTransform(
                size: ImageSize(height: c.model.imageHeight, width: c.model.imageWidth), statistics: statistics,
                augmentation: augmentation),
            division: division, repeats: c.turnsPerStep, seed: c.seed,
            badImages: badImages, epoch: position.epoch, step: position.step,
            workers: compute.workers, plan: memory)
        let model = MaskedAutoencoder(
            c.model, c.precision, classes: classes, keepsPackedWeights: c.accumulation > 1, plan: memory)
        let optimizer = AdamW(
            model.parameters,
            owned: c.gradientExchange.owned(
                count: model.parameters.values.count, rank: world.rank, ranks: world.size),
            configuration: c.optimizer, plan: memory)
        let step = PretrainStep(
            c, model: model, optimizer: optimizer, classes: classes, loader: loader, compute, on: resources)
        return TrainingParts(step: step, loader: loader)
    }

    /// The memory of a run on this rank, of which nothing is asked for, and the step that was laid out to count it, which
    /// cannot be run.
    ///
    /// - Parameters:
    ///   - saves: whether rank 0 has a copy of weights and moments to write checkpoints from.
    ///   - heldBytes: what the images take in memory; nil for those of the source.
    ///   - others: lays out what the run has besides.
    package func count(
        _ c: StepConfiguration, saves: Bool, holding heldBytes: Int? = nil,
        besides others: (MaskedAutoencoder, MemoryPlan) -> Void = { _, _ in },
        on resources: RankResources
    ) throws -> (step: PretrainStep, memory: MemoryPlan) {
        let counting = resources.counting
        let parts = try make(c, on: counting)
        if saves && resources.communicator.rank == 0 { parts.countSnapshot(in: counting.memory) }
        others(parts.model, counting.memory)
        counting.memory.add(.data, "images", bytes: heldBytes ?? source.heldBytes)
        return (parts.step, counting.memory)
    }
}

extension TrainingParts<PretrainObjective> {
    package var model: MaskedAutoencoder { step.pass.objective.model }
}
