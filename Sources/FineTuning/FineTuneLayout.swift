internal import Augmentation
package import Classification
internal import Communication
internal import DataParallel
internal import Evaluation
internal import Features
internal import ImageCodecs
package import ImageData
package import ImageSources
internal import Layers
internal import Models
internal import Optimization
package import Runs
internal import Tensors
package import Training
internal import TrainingRuns

/// Makes all that fine-tuning needs, for a run, for a test alone, or only to count the memory.
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
    struct Parts {
        let training: TrainingParts<ClassificationObjective>
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
        let division = try EpochDivision(
            imageCount: source.count, update.batchPlan(ranks: world.size), rank: world.rank)
        let loader = try BatchLoader(
            source: source, transform: try transform(c), division: division, seed: update.seed,
            badImages: BadImages(badImages, of: source.count), epoch: position.epoch, step: position.step,
            workers: compute.workers, plan: memory)
        let model = VisionTransformerClassifier(
            c.model, update.precision, keepsPackedWeights: update.accumulation > 1, plan: memory)
        var options = PassOptions()
        options.kept = compute.recomputesActivations ? .inputs : .activations
        let size = c.imageSize
        let objective = ClassificationObjective(
            model, smoothing: c.classification.smoothing, batch: division.plan, rank: world.rank, seed: update.seed,
            mixing: try c.augmentation.mixing(of: size).map { ImageMixing($0, size: size, seed: update.seed) },
            options: options, team: team, memory: memory)
        let optimizer = AdamW(
            values: model.parameters.values,
            tensors: model.parameterGroups(
                layerDecay: c.classification.layerDecay, decaysAll: c.update.optimizer.decaysAll),
            owned: update.gradientExchange.owned(
                count: model.parameters.values.count, rank: world.rank, ranks: world.size),
            configuration: update.optimizer, plan: memory)
        let step = TrainStep(
            objective, optimizer: optimizer, loader: loader, rules: update.rules,
            gradientSum: update.gradientExchange,
            timeline: compute.timeline != nil && memory.isBacked ? Timeline() : nil, communicator: world, team: team,
            plan: memory)
        // As many test images at a time as are trained on.
        let test = heldOutTest(of: model, c, images: division.microBatch, on: resources)
        return Parts(
            training: TrainingParts(step: step, loader: loader), average: average(of: model, c, on: resources),
            test: test)
    }

    /// A step by itself, of weights that are drawn, for measuring.
    package func step(
        _ c: FineTuneConfiguration, on resources: RankResources
    ) throws -> TrainStep<ClassificationObjective> {
        let step = try make(c, on: resources).training.step
        step.pass.objective.model.initialize(seed: c.update.seed)
        return step
    }

    /// What training sees of an image.
    private func transform(_ c: FineTuneConfiguration) throws -> ImageTransform {
        ImageTransform(
            size: c.imageSize, statistics: statistics,
            augmentation: TrainingAugmentation(
                c.data.augmentation(for: c.imageSize), bytes: try c.augmentation.bytes(),
                erasing: c.augmentation.randomErasing))
    }

    func average(
        of model: VisionTransformerClassifier, _ c: FineTuneConfiguration, on resources: RankResources
    ) -> WeightAverage? {
        c.classification.averageDecay.map {
            WeightAverage(of: model.parameters, decay: $0, team: resources.team, plan: resources.memory)
        }
    }

    /// - Parameter images: of this rank in one pass.
    func heldOutTest(
        of model: VisionTransformerClassifier, _ c: FineTuneConfiguration, images: Int, on resources: RankResources
    ) -> HeldOutTest {
        let (team, memory) = (resources.team, resources.memory)
        let passes = ImagePasses(
            ImageTransform(
                size: c.imageSize, statistics: statistics,
                augmentation: .evaluation(c.imageSize, of: [source.uniformSize, test.uniformSize])),
            images: images, team: team, plan: memory)
        let classifier = ClassifierInUse(model, images: images, team: team, plan: memory)
        return HeldOutTest(
            evaluation: ClassifierEvaluation(classifier, passes), source: test,
            badImages: BadImages(badImages, of: test.count), communicator: resources.communicator)
    }
}

extension FineTuneConfiguration {
    var imageSize: ImageSize { ImageSize(height: model.imageHeight, width: model.imageWidth) }
}
