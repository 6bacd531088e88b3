import Augmentation
import Communication
import DataParallel
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Layers
import Optimization
import Tensors
import TestSupport
import Training

/// A run of `LeastSquares` on small grey images, each of which has a number of its own as its target.
struct ToyRun: Sendable {
    var imageCount = 48
    var batch = 8
    /// Micro-batches of each rank.
    var accumulation = 1
    var threads = 1
    var lambda = 0.0
    var rate = 0.02
    var rules = StepRules()
    var exchange = GradientSumConfiguration()
    /// Targets in place of the images' own.
    var targets: [Int: Float] = [:]
    /// The image whose gradient is not finite.
    var spoilt: Int?

    static let size = ImageSize(height: 12, width: 12)
    static var pixels: Int { size.pixels }
    static let seed: UInt64 = 3

    init() {
        // Three of them at four ranks.
        exchange.bucketBytes = 64
    }

    /// What is left of a run.
    struct Outcome: Sendable {
        var weights: [Float] = []
        var steps: [StepOutcome<LeastSquares.Figures>] = []
        var updates = 0
    }

    /// A rank's part.
    func step(on communicator: any Communicator) throws -> TrainStep<LeastSquares> {
        let plan = try BatchPlan(globalBatch: batch, ranks: communicator.size, accumulation: accumulation)
        let team = try Team(threads: threads)
        let objective = LeastSquares(
            pixels: Self.pixels, lambda: lambda, batch: plan, communicator: communicator, team: team
        ) { targets[$0] ?? Self.target(of: $0) }
        objective.spoilt = spoilt
        let optimizer = AdamW(
            values: objective.parameters.values, tensors: [ParameterGroup(0..<Self.pixels + 1, decays: true)],
            owned: exchange.owned(
                count: Self.pixels + 1, rank: communicator.rank, ranks: communicator.size),
            configuration: Self.adam, plan: MemoryPlan())
        let loader = try BatchLoader(
            source: images, transform: Self.transform,
            division: EpochDivision(imageCount: imageCount, plan, rank: communicator.rank),
            repeats: objective.looksAhead ? 2 : 1, seed: Self.seed, workers: 0, plan: MemoryPlan())
        return TrainStep(
            objective, optimizer: optimizer, loader: loader, rules: rules, gradientSum: exchange,
            communicator: communicator, team: team, plan: MemoryPlan())
    }

    func train(steps: Int, on communicator: any Communicator) throws -> Outcome {
        let step = try step(on: communicator)
        var outcome = Outcome()
        for number in 1...steps { outcome.steps.append(try step.run(number, learningRate: rate)) }
        outcome.weights = step.pass.objective.parameters.values.array
        outcome.updates = step.optimizerUpdates
        return outcome
    }

    /// By rank.
    func train(steps: Int, ranks: Int) throws -> [Outcome] {
        try InProcessWorld.run(ranks: ranks) { try train(steps: steps, on: $0) }
    }

    /// The images of global batch `step`, from 1, in order; those of each rank one after another.
    func samples(of step: Int) -> [Int] {
        let perEpoch = imageCount / batch
        let order = EpochOrder(count: imageCount, seed: Self.seed, epoch: (step - 1) / perEpoch)
        return (0..<batch).map { order[(step - 1) % perEpoch * batch + $0] }
    }

    /// Without a visible pattern.
    private var images: InMemoryImages {
        let pixels = MatrixView<UInt8>(rows: imageCount, columns: Self.pixels)
        for sample in 0..<imageCount {
            for column in 0..<Self.pixels { pixels[sample, column] = Self.byte(column, of: sample) }
        }
        return InMemoryImages(
            name: "pattern", pixels: pixels, labels: [], channels: 1, size: Self.size, classCount: nil)
    }

    private static func byte(_ column: Int, of sample: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: ((sample * 131 + column + 1) &* 2_654_435_761) >> 11)
    }

    static let adam = AdamW.Configuration(weightDecay: 0.1)
    static func target(of sample: Int) -> Float { Float(sample * 7 % 11) / 11 - 0.1 }

    /// One that leaves pixels nearly as they are.
    private static let transform = ImageTransform(
        size: size,
        statistics: ChannelStatistics(mean: [0.5], standardDeviation: [0.5]), augmentation: .whole)

    /// A pixel as the transform leaves it.
    static func pixel(_ column: Int, of sample: Int) -> Double {
        Double((Float(byte(column, of: sample)) / 255 - 0.5) / 0.5)
    }
}
