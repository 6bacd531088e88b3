import Communication
import DataParallel
import ImageData
import Layers
import Models
import Optimization
import Pretraining
import Tensors
import TestSupport
import Testing
import Training

@Suite("With fixed shards steps have the same bits at any number of ranks")
struct DeterministicFiguresTests {
    /// What steps say, and what is left of them.
    private struct Figures: Equatable, Sendable {
        var losses: [PretrainFigures] = []
        var norms: [Double] = []
        var weights: [Float] = []
        var spikeGuard = SpikeGuard()
    }

    private static func configuration(_ regularizer: Regularizer, batch: Int) -> PretrainConfiguration {
        var model = MaskedAutoencoderConfiguration()
        (model.imageHeight, model.imageWidth, model.patchSize, model.channels) = (16, 16, 4, 1)
        (model.embedDim, model.depth, model.heads) = (24, 1, 2)
        (model.decoderEmbedDim, model.decoderDepth, model.decoderHeads) = (16, 1, 2)
        var loss = LossConfiguration()
        (loss.regularizer.kind, loss.regularizer.exchange, loss.lamb) = (regularizer, .gather, 0.1)
        var configuration = PretrainConfiguration(
            model: model, loss: loss, precision: .float32, dataPath: "synthetic", syntheticImages: 3 * batch, epochs: 1,
            startEpoch: 0, warmupEpochs: 0, effectiveBatchSize: batch, accumulation: 1, learningRate: 1e-3,
            minimumLearningRate: 0, optimizer: AdamW.Configuration(), clipGradient: nil, seed: 7)
        configuration.gradientExchange.fixedShards = 8
        configuration.spikeGuard = .skip
        return configuration
    }

    /// Those of three steps.
    private func figures(_ regularizer: Regularizer, batch: Int, ranks: Int) throws -> [Figures] {
        var configuration = Self.configuration(regularizer, batch: batch)
        configuration.accumulation = 8 / ranks
        let source = try SyntheticImages(
            SyntheticImageParameters(count: 3 * batch, channels: 1, size: ImageSize(height: 16, width: 16), seed: 7),
            split: .train)
        let statistics = try ChannelStatistics(of: source)
        return try InProcessWorld.run(ranks: ranks) { [configuration] communicator in
            let layout = StepLayout(
                source: source, statistics: statistics, classes: source.classCount, prefetch: 0,
                recomputesActivations: false, timeline: nil)
            let (step, _) = try layout.make(
                configuration, communicator: communicator, team: Team(threads: 1), plan: MemoryPlan())
            let model = step.pass.objective.model
            model.initialize(seed: configuration.seed)
            var figures = Figures()
            for number in 1...3 {
                let outcome = try step.run(number, learningRate: 1e-3)
                figures.losses.append(outcome.figures)
                figures.norms.append(outcome.gradientNorm)
            }
            figures.weights = step.pass.objective.parameters.values.array
            figures.spikeGuard = step.spikeGuard
            return figures
        }
    }

    /// N² is a power of two for 32 alone; only then is dividing parts of a sum by it exact.
    @Test(
        "losses, norms, weights and the spike guard's means", arguments: Regularizer.allCases, [24, 32, 56])
    func ranks(regularizer: Regularizer, batch: Int) throws {
        let alone = try #require(try figures(regularizer, batch: batch, ranks: 1).first)
        #expect(alone.losses.allSatisfy { $0.crossEntropy > 0 && $0.inverseEffectiveRank > 0 })
        #expect(Set(alone.norms).count == 3)
        for ranks in [2, 4, 8] {
            for own in try figures(regularizer, batch: batch, ranks: ranks) { #expect(own == alone, "\(ranks) ranks") }
        }
    }
}
