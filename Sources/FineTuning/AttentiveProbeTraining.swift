internal import Classification
internal import Communication
internal import DataParallel
package import Evaluation
internal import Features
package import ImageData
package import ImageSources
internal import Layers
package import Models
internal import Optimization
package import Runs
package import Safetensors
internal import Tensors
internal import Training
internal import TrainingRuns

/// Trains an attentive probe on a frozen encoder, by AdamW. Images are encoded anew in every epoch: the tokens of a data set
/// are hundreds of times its features.
package final class AttentiveProbeTraining {
    package struct Configuration: Sendable {
        package var epochs = 90
        package var warmupEpochs = 10.0
        /// That of 256 images.
        package var baseRate = 1e-3
        package var weightDecay = 0.0
        /// Learned queries; no more than the width.
        package var queries = 32
        package var seed: UInt64 = 0

        package init() {}
    }

    /// Epochs done.
    package private(set) var epoch = 0
    private let configuration: Configuration
    private let probe: AttentiveProbe
    private let step: TrainStep<AttentiveProbeObjective>
    private let optimizer: AdamW
    private let loader: BatchLoader
    private let tested: ProbedEncoder
    private let schedule: LearningRateSchedule

    /// - Parameters:
    ///   - encoder: whose weights are there.
    ///   - loader: of images with labels, at the beginning of an epoch.
    /// - Throws: `ModelError` if the queries do not divide the width.
    package init(
        _ configuration: Configuration, _ encoder: VisionTransformer, classes: Int, on loader: BatchLoader,
        _ resources: RankResources
    ) throws {
        let (world, team, plan) = (resources.communicator, resources.team, resources.memory)
        var shape = AttentiveProbeConfiguration(width: encoder.configuration.embedDim, classes: classes)
        shape.queries = configuration.queries
        try shape.validate()
        let probe = AttentiveProbe(shape, plan: plan)
        probe.parameters.initialize(seed: configuration.seed)
        self.configuration = configuration
        self.probe = probe
        self.loader = loader
        tested = ProbedEncoder(encoder, probe, images: loader.division.microBatch, team: team, plan: plan)
        team.run { [tested] in encoder.packWeights(in: tested.contexts[$0.index]) }
        let objective = AttentiveProbeObjective(
            encoder, probe, batch: loader.division.plan, rank: world.rank, team: team, memory: plan)
        var rules = AdamW.Configuration(beta1: 0.9, beta2: 0.999)
        rules.weightDecay = configuration.weightDecay
        optimizer = AdamW(probe.parameters, configuration: rules, plan: plan)
        step = TrainStep(
            objective, optimizer: optimizer, loader: loader, rules: StepRules(), gradientSum: .init(),
            communicator: world, team: team, plan: plan)
        schedule = LearningRateSchedule(
            peak: LearningRateSchedule.scaled(base: configuration.baseRate, effectiveBatch: loader.division.plan.total),
            minimum: 0, warmupEpochs: configuration.warmupEpochs, epochs: Double(configuration.epochs))
    }

    deinit { loader.stop() }

    /// Trains to the last epoch. Collective.
    ///
    /// - Parameter ended: told of each epoch and its mean loss and training accuracy, on every rank.
    package func run(ended: (_ epoch: Int, _ loss: Double, _ accuracy: Double) throws -> Void) throws {
        let steps = loader.division.stepsPerEpoch
        while epoch < configuration.epochs {
            var (loss, correct, images) = (0.0, 0.0, 0.0)
            for index in 0..<steps {
                let rate = schedule.rate(atEpoch: Double(epoch) + Double(index) / Double(steps))
                let outcome = try step.run(epoch * steps + index + 1, learningRate: rate)
                loss += outcome.figures.crossEntropy / Double(steps)
                correct += outcome.figures.correct
                images += Double(outcome.images)
            }
            epoch += 1
            try ended(epoch, loss, correct / images)
        }
    }

    /// Of the test images. Collective; every rank returns the same.
    package func test(
        on source: any ImageSource, by transform: ImageTransform, _ resources: RankResources
    ) throws -> ClassificationAccuracy {
        let passes = ImagePasses(transform, images: tested.images, team: resources.team, plan: resources.memory)
        return try ClassifierEvaluation(tested, passes).run(source, in: resources.communicator).accuracy
    }
}

extension AttentiveProbeTraining: ResumableProbe {
    package var kept: [NamedTensor] {
        let parameters = probe.parameters
        return parameters.namedTensors(parameters.values)
            + zip(AdamW.momentNames, optimizer.moments).map { NamedTensor($0, shape: [$1.columns], $1) }
    }

    package func takeUp(_ file: SafetensorsFile, epoch: Int) throws {
        try read(kept, from: file)
        self.epoch = epoch
        step.optimizerUpdates = epoch * loader.division.stepsPerEpoch
    }
}
