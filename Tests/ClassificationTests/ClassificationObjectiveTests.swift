import Augmentation
import Classification
import DataParallel
import ImageCodecs
import ImageData
import Layers
import Models
import Tensors
import TestSupport
import Testing
import Training

@Suite("Fine-tuning a classifier is the same however the batch is divided")
struct ClassificationObjectiveTests {
    private func run(_ change: (inout FineTuningRun) -> Void = { _ in }) -> FineTuningRun {
        var run = FineTuningRun()
        change(&run)
        return run
    }

    private func losses(_ outcome: FineTuningRun.Outcome) -> [Double] { outcome.steps.map(\.figures.crossEntropy) }

    @Test(
        "weights, losses, norms and hits, with branches dropped and labels mixed",
        arguments: [(ranks: 1, accumulation: 2, threads: 3), (2, 1, 1), (2, 2, 2), (4, 1, 1), (8, 2, 1)])
    func divisions(ranks: Int, accumulation: Int, threads: Int) throws {
        let alone = try run().train(steps: 5, ranks: 1)[0]
        let outcomes = try run { ($0.accumulation, $0.threads) = (accumulation, threads) }.train(steps: 5, ranks: ranks)
        for outcome in outcomes {
            // AdamW makes a full step also of a gradient that is little more than its rounding.
            #expect(relativeError(outcome.weights, alone.weights) < 1e-3)
            #expect(relativeError(losses(outcome), losses(alone)) < 1e-5)
            #expect(relativeError(outcome.steps.map(\.gradientNorm), alone.steps.map(\.gradientNorm)) < 1e-4)
            #expect(outcome.steps.map(\.figures.correct) == alone.steps.map(\.figures.correct))
            #expect(outcome.weights == outcomes[0].weights)
        }
        // It learns something, and what is mixed and dropped matters.
        #expect(losses(alone)[4] < losses(alone)[0])
        for other in [run { $0.mixes = .none }, run { $0.configuration.dropPath = 0 }] {
            #expect(relativeError(try other.train(steps: 5, ranks: 1)[0].weights, alone.weights) > 5e-3)
        }
    }

    @Test("with a fixed number of shards not one bit depends on the number of ranks", arguments: [2, 4])
    func fixedShards(ranks: Int) throws {
        func train(_ ranks: Int) throws -> FineTuningRun.Outcome {
            try run {
                $0.exchange.fixedShards = 4
                $0.accumulation = 4 / ranks
            }.train(steps: 4, ranks: ranks)[0]
        }
        let (alone, together) = (try train(1), try train(ranks))
        #expect(together.weights == alone.weights && losses(together) == losses(alone))
    }

    @Test("threads change no bit", arguments: [FineTuningRun.Mixes.fading, .mixup])
    func threads(mixes: FineTuningRun.Mixes) throws {
        let outcomes = try [1, 3].map { threads in
            try run { ($0.threads, $0.mixes) = (threads, mixes) }.train(steps: 3, ranks: 1)[0]
        }
        #expect(outcomes[0].weights == outcomes[1].weights && losses(outcomes[0]) == losses(outcomes[1]))
    }

    @Test("by mixup each image becomes its partner's class by as much as it becomes its pixels", arguments: [4, 5])
    func mixup(count: Int) {
        let size = FineTuningRun.size
        let images = Matrix(
            rows: count, columns: 3 * size.pixels,
            values: (0..<count * 3 * size.pixels).map { Float($0 * 37 % 101) / 101 })
        let before = images.array
        let batch = Batch(
            images: images, samples: MatrixView<Int>(rows: count, columns: 1, values: Array(0..<count)), micro: 0)
        let labels = MixedLabels(images: count, plan: MemoryPlan())
        labels.first.copy(from: (0..<Int32(count)).map { $0 })
        let mixing: any BatchMixing = ImageMixing(
            Mixing(mixupAlpha: 0.8, cutmixAlpha: 0, mode: .elem), size: size, seed: 1)
        mixing.mix(batch, labels, by: .alone)
        #expect(labels.second.array == (0..<Int32(count)).reversed())
        #expect(labels.weight.array.contains { $0 < 0.9 } && labels.weight.array.allSatisfy { $0 >= 0 && $0 <= 1 })
        for row in 0..<count {
            let weight = labels.weight[row, 0]
            let partner = count - 1 - row
            for column in 0..<images.columns {
                let expected =
                    weight * before[row * images.columns + column]
                    + (1 - weight) * before[partner * images.columns + column]
                #expect(abs(images[row, column] - expected) < 1e-5)
            }
        }
    }

    @Test(
        "backward finishes all gradients, the last first, and a second micro-batch is added", arguments: [true, false])
    func finished(drops: Bool) throws {
        let fixture = try ClassificationFixture()
        let c = ClassificationFixture.configuration(.mean, dropPath: drops ? 0.3 : 0)
        let bench = try ClassifierBench(c, images: ClassificationFixture.images, threads: 2)
        try bench.model.loadWeights(from: fixture.weights)
        if drops { try fixture.setFactors(of: bench.activations) }
        let (images, labels) = (try fixture.matrix("images"), try fixture.mixedLabels(isMixed: true))
        let ranges = bench.differentiate(images, labels, smoothing: 0).finished
        #expect(ranges.count == 2 * c.depth + 2 && ranges.allSatisfy { !$0.isEmpty })
        #expect(ranges.first?.upperBound == bench.model.parameters.gradients.columns)
        #expect(ranges.last?.lowerBound == 0)
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.lowerBound == $1.upperBound })
        let once = bench.model.parameters.gradients.array
        _ = bench.differentiate(images, labels, smoothing: 0, adds: true)
        #expect(relativeError(bench.model.parameters.gradients.array, once.map { 2 * $0 }) < 1e-6)
    }
}
