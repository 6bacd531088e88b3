internal import Training
package import Communication
internal import DataParallel
package import ImageData
internal import Layers
internal import Models
internal import Optimization
package import Tensors
package import Runs

/// Lays out all that training steps need, for a measurement or only to count the memory: weights are not yet initialised.
package struct StepLayout {
    package let source: any ImageSource
    let statistics: ChannelStatistics
    /// Of the online classifier; nil for none.
    let classes: Int?
    let prefetch: Int
    let recomputesActivations: Bool
    let timeline: Timeline?

    package init(
        source: any ImageSource, statistics: ChannelStatistics, classes: Int?, prefetch: Int,
        recomputesActivations: Bool, timeline: Timeline?
    ) {
        self.source = source
        self.statistics = statistics
        self.classes = classes
        self.prefetch = prefetch
        self.recomputesActivations = recomputesActivations
        self.timeline = timeline
    }

    /// - Returns: the step, and the loader that gives it images, whose thread runs until it is stopped.
    package func make(
        _ c: StepConfiguration, communicator: any Communicator, team: Team, plan: MemoryPlan
    ) throws -> (PretrainStep, BatchLoader) {
        let division = try EpochDivision(
            imageCount: source.count, c.batchPlan(ranks: communicator.size), rank: communicator.rank)
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

    /// The memory of a run on this rank, of which nothing is asked for.
    ///
    /// - Parameters:
    ///   - saves: whether rank 0 has a copy of weights and moments to write checkpoints from.
    ///   - heldBytes: what the images take in memory; nil for those of the source.
    package func count(
        _ c: StepConfiguration, saves: Bool, communicator: any Communicator, team: Team
    ) throws -> MemoryPlan {
        try countedStep(c, saves: saves, communicator: communicator, team: team).plan
    }

    /// As `count`, with the step that was laid out, which cannot be run.
    package func countedStep(
        _ c: StepConfiguration, saves: Bool, holding heldBytes: Int? = nil, communicator: any Communicator,
        team: Team
    ) throws -> (step: PretrainStep, plan: MemoryPlan) {
        let plan = MemoryPlan(isBacked: false)
        let (step, _) = try make(c, communicator: communicator, team: team, plan: plan)
        if saves && communicator.rank == 0 {
            _ = OptimizerSnapshot(
                count: step.pass.objective.parameters.values.count, names: AdamW.momentNames, plan: plan)
        }
        plan.add(.data, "images", bytes: heldBytes ?? source.heldBytes)
        return (step, plan)
    }
}

extension ChannelStatistics {
    /// Any, for steps that are laid out and never run.
    package static func unknown(channels: Int) -> ChannelStatistics {
        ChannelStatistics(
            mean: [Float](repeating: 0.5, count: channels),
            standardDeviation: [Float](repeating: 0.25, count: channels))
    }
}
