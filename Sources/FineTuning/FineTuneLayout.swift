internal import Augmentation
package import Classification
internal import Communication
internal import DataParallel
internal import Evaluation
internal import ImageCodecs
package import ImageData
package import ImageSources
internal import Layers
internal import Models
internal import Optimization
package import Runs
package import Tensors
internal import Training
package import TrainingRuns

/// Makes all that fine-tuning needs, for a run or only to count the memory.
package struct FineTuneLayout {
    package var source: any ImageSource
    /// What the model is tested on after each epoch.
    package let test: any ImageSource
    package var statistics: ChannelStatistics
    package let compute: ComputeConfiguration
    /// What becomes of images that cannot be decoded.
    private let badImages: BadImages.Action

    package init(
        source: any ImageSource, test: any ImageSource, statistics: ChannelStatistics, compute: ComputeConfiguration,
        badImages: BadImages.Action
    ) {
        self.source = source
        self.test = test
        self.statistics = statistics
        self.compute = compute
        self.badImages = badImages
    }

    /// What a run is made of.
    package struct Parts {
        package let training: TrainingParts<ClassificationObjective>
        let average: WeightAverage?
        let test: HeldOutTest
    }

    /// The parts of a run; its weights are not yet initialised.
    ///
    /// - Parameter position: the step of an epoch that comes first.
    func make(
        _ c: FineTuneConfiguration, at position: (epoch: Int, step: Int) = (0, 0), on resources: RankResources
    ) throws -> Parts {
        let (world, team, memory) = (resources.communicator, resources.team, resources.memory)
        let update = c.update
        let size = ImageSize(height: c.model.imageHeight, width: c.model.imageWidth)
        let division = try EpochDivision(
            imageCount: source.count, update.batchPlan(ranks: world.size), rank: world.rank)
        let loader = try BatchLoader(
            source: source,
            transform: ImageTransform(size: size, statistics: statistics, augmentation: c.data.augmentation(for: size)),
            division: division, seed: update.seed, badImages: BadImages(badImages, of: source.count),
            epoch: position.epoch, step: position.step, workers: compute.workers, plan: memory)
        let model = VisionTransformerClassifier(
            c.model, update.precision, keepsPackedWeights: update.accumulation > 1, plan: memory)
        var options = PassOptions()
        options.recomputes = compute.recomputesActivations
        let objective = ClassificationObjective(
            model, smoothing: c.classification.smoothing, batch: division.plan, rank: world.rank, seed: update.seed,
            options: options, team: team, memory: memory)
        let optimizer = AdamW(
            values: model.parameters.values,
            tensors: model.parameterGroups(layerDecay: c.classification.layerDecay),
            owned: update.gradientExchange.owned(
                count: model.parameters.values.count, rank: world.rank, ranks: world.size),
            configuration: update.optimizer, plan: memory)
        let step = TrainStep(
            objective, optimizer: optimizer, loader: loader, rules: update.rules,
            gradientSum: update.gradientExchange,
            timeline: compute.timeline != nil && memory.isBacked ? Timeline() : nil, communicator: world, team: team,
            plan: memory)
        let average = c.classification.averageDecay.map {
            WeightAverage(of: model.parameters, decay: $0, team: team, plan: memory)
        }
        // As many test images at a time as are trained on.
        let passes = ImagePasses(
            ImageTransform(
                size: size, statistics: statistics,
                augmentation: .evaluation(size, of: [source.uniformSize, test.uniformSize])),
            images: division.microBatch, team: team, plan: memory)
        let classifier = ClassifierInUse(model, images: passes.images, team: team, plan: memory)
        let heldOut = HeldOutTest(
            evaluation: ClassifierEvaluation(classifier, passes), source: test,
            badImages: BadImages(badImages, of: test.count), communicator: world)
        return Parts(training: TrainingParts(step: step, loader: loader), average: average, test: heldOut)
    }

    /// The memory of a run on this rank, of which nothing is asked for.
    ///
    /// - Parameter saves: whether rank 0 has copies to write checkpoints from.
    private func count(_ c: FineTuneConfiguration, saves: Bool, on resources: RankResources) throws -> MemoryPlan {
        let counting = resources.counting
        let parts = try make(c, on: counting)
        if saves && resources.communicator.rank == 0 {
            parts.training.countSnapshot(of: parts.average, in: counting.memory)
        }
        counting.memory.add(.data, "images", bytes: source.heldBytes)
        counting.memory.add(.data, "test images", bytes: test.heldBytes)
        return counting.memory
    }

    /// What the run would hold in memory on this rank, counted, so that a run which does not fit is refused at once.
    /// Collective.
    ///
    /// - Parameter saves: whether the run is kept in a directory.
    /// - Throws: on all ranks, `MemoryError` if the ranks of some host do not fit, or what is wrong with the batch.
    package func plan(_ c: FineTuneConfiguration, saves: Bool, on resources: RankResources) throws -> MemoryPlan {
        let world = resources.communicator
        let memory = try world.agree { try count(c, saves: saves, on: resources) }
        try MemoryCheck.run(
            memory, held: source.heldBytes + test.heldBytes,
            remedies: MemoryCheck.Remedies(
                c.update, recomputesActivations: compute.recomputesActivations, ranks: world.size),
            in: world)
        return memory
    }
}
