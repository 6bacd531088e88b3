internal import Communication
internal import DataParallel
internal import ImageData
internal import Layers
internal import Models
internal import Optimization
internal import Tensors

/// Lays out all that training steps need, for a measurement or for the sake of the memory plan: weights are not yet
/// initialised, and pages that nobody writes take no memory.
struct StepLayout {
    let source: any ImageSource
    let statistics: ChannelStatistics
    /// Of the online classifier; nil for none.
    let classes: Int?
    let prefetch: Int
    let recomputesActivations: Bool
    let timeline: Timeline?

    /// - Returns: the step, and the loader that gives it images, whose thread runs until it is stopped.
    func make(
        _ c: PretrainConfiguration, communicator: any Communicator, team: Team, plan: MemoryPlan
    ) throws -> (PretrainStep, BatchLoader) {
        let division = try BatchDivision(
            imageCount: source.count, globalBatch: c.effectiveBatchSize, rank: communicator.rank,
            worldSize: communicator.size, accumulation: c.accumulation)
        let loader = try BatchLoader(
            source: source,
            transform: ImageTransform(
                size: ImageSize(height: c.model.imageHeight, width: c.model.imageWidth), statistics: statistics,
                augmentation: ImageAugmentation()),
            division: division, repeats: c.turnsPerStep, seed: c.seed, prefetch: prefetch, plan: plan)
        let model = MaskedAutoencoder(
            c.model, c.precision, classes: classes, keepsPackedWeights: c.accumulation > 1, plan: plan)
        let optimizer = AdamW(
            model.parameters,
            owned: c.gradientExchange.owned(
                count: model.parameters.values.count, rank: communicator.rank, ranks: communicator.size),
            configuration: c.optimizer, plan: plan)
        let step = PretrainStep(
            c, model: model, optimizer: optimizer, classes: classes, loader: loader,
            recomputesActivations: recomputesActivations, timeline: timeline, communicator: communicator, team: team,
            plan: plan)
        return (step, loader)
    }
}
