import Augmentation
import Classification
import Communication
import DataParallel
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Layers
import Models
import Optimization
import Tensors
import TestSupport
import Training

/// A short fine-tuning of a small classifier on images that a formula makes.
struct FineTuningRun: Sendable {
    static let images = 48
    static let batch = 16
    static let seed: UInt64 = 5

    var configuration = ClassificationFixture.configuration(.mean, dropPath: 0.3)
    var accumulation = 1
    var threads = 1
    /// Who mixes images: nobody, a rule that knows no ranks, or mixup and CutMix.
    var mixes = Mixes.fading
    enum Mixes { case none, fading, mixup }
    var exchange = GradientSumConfiguration()

    struct Outcome: Sendable {
        var weights: [Float] = []
        var steps: [StepOutcome<ClassificationFigures>] = []
    }

    init() { exchange.bucketBytes = 4096 }

    func train(steps: Int, ranks: Int) throws -> [Outcome] {
        try InProcessWorld.run(ranks: ranks) { world in
            let step = try step(on: world)
            var outcome = Outcome()
            for number in 1...steps { outcome.steps.append(try step.run(number, learningRate: 3e-3)) }
            outcome.weights = step.pass.objective.parameters.values.array
            return outcome
        }
    }

    private func step(on world: any Communicator) throws -> TrainStep<ClassificationObjective> {
        let memory = MemoryPlan()
        let plan = try BatchPlan(globalBatch: Self.batch, ranks: world.size, accumulation: accumulation)
        let team = try Team(threads: threads)
        let model = VisionTransformerClassifier(
            configuration, .float32, keepsPackedWeights: accumulation > 1, plan: memory)
        model.initialize(seed: Self.seed)
        let objective = ClassificationObjective(
            model, smoothing: 0.1, batch: plan, rank: world.rank, seed: Self.seed,
            mixing: mixing, team: team, memory: memory)
        let optimizer = AdamW(
            values: model.parameters.values, tensors: model.parameterGroups(layerDecay: 0.75),
            owned: exchange.owned(count: model.parameters.values.count, rank: world.rank, ranks: world.size),
            configuration: AdamW.Configuration(), plan: memory)
        let loader = try BatchLoader(
            source: Self.source, transform: Self.transform,
            division: EpochDivision(imageCount: Self.images, plan, rank: world.rank), seed: Self.seed, workers: 0,
            plan: memory)
        return TrainStep(
            objective, optimizer: optimizer, loader: loader, rules: StepRules(), gradientSum: exchange,
            communicator: world, team: team, plan: memory)
    }

    private var mixing: (any BatchMixing)? {
        switch mixes {
        case .none: nil
        case .fading: Fading(classes: configuration.classes)
        case .mixup:
            ImageMixing(Mixing(mixupAlpha: 0.8, cutmixAlpha: 1, mode: .elem), size: Self.size, seed: Self.seed)
        }
    }

    static let size = ImageSize(height: 8, width: 12)

    static let transform = ImageTransform(
        size: size, statistics: ChannelStatistics(mean: [0.5, 0.5, 0.5], standardDeviation: [0.3, 0.3, 0.3]),
        augmentation: .whole)

    static let source: InMemoryImages = {
        let pixels = MatrixView<UInt8>(rows: images, columns: 3 * size.pixels)
        for image in 0..<images {
            for column in 0..<pixels.columns {
                pixels[image, column] = UInt8(truncatingIfNeeded: (image * 131 + column + 1) &* 2_654_435_761 >> 11)
            }
        }
        return InMemoryImages(
            name: "pattern", pixels: pixels, labels: (0..<images).map { Int32($0 * 5 % 7) }, channels: 3, size: size,
            classCount: 7)
    }()

    /// Takes a share of each image away, which belongs to the class after its own.
    private final class Fading: BatchMixing {
        private let classes: Int32
        init(classes: Int) { self.classes = Int32(classes) }

        func mix(_ batch: Batch, _ labels: MixedLabels, by member: TeamMember) {
            member.forEachChunk(of: batch.count) { images in
                for image in images {
                    let share = Float(batch.samples[image, 0] % 4) / 4
                    labels.weight[image, 0] = 1 - share
                    labels.second[image, 0] = (labels.first[image, 0] + 1) % classes
                    for column in 0..<batch.images.columns { batch.images[image, column] *= 1 - share }
                }
            }
        }
    }
}
