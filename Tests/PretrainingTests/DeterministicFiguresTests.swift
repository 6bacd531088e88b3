import Communication
import DataParallel
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Layers
import Models
import Optimization
import Pretraining
import Regularizers
import Runs
import Tensors
import Testing
import TrainingRuns
import TestSupport
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

    private static func configuration(_ regularizer: Regularizer, batch: Int, ranks: Int) -> StepConfiguration {
        var c = StepConfiguration()
        (c.model.imageHeight, c.model.imageWidth, c.model.patchSize, c.model.channels) = (16, 16, 4, 1)
        (c.model.embedDim, c.model.depth, c.model.heads) = (24, 1, 2)
        (c.model.decoderEmbedDim, c.model.decoderDepth, c.model.decoderHeads) = (16, 1, 2)
        (c.loss.regularizer.kind, c.loss.regularizer.transport, c.loss.lamb) = (regularizer, .gather, 0.1)
        (c.effectiveBatchSize, c.accumulation, c.gradientExchange.fixedShards) = (batch, 8 / ranks, 8)
        (c.spikeGuard, c.seed) = (.skip, 7)
        return c
    }

    /// Those of three steps.
    private func figures(_ regularizer: Regularizer, batch: Int, ranks: Int) throws -> [Figures] {
        let configuration = Self.configuration(regularizer, batch: batch, ranks: ranks)
        let source = try SyntheticImages(
            SyntheticImageParameters(count: 3 * batch, channels: 1, size: ImageSize(height: 16, width: 16), seed: 7),
            split: .train)
        let statistics = try ChannelStatistics(of: source)
        return try InProcessWorld.run(ranks: ranks) { communicator in
            let layout = StepLayout(
                source: source, statistics: statistics, classes: source.classCount, compute: ComputeConfiguration())
            let parts = try layout.make(configuration, on: RankResources(communicator, Team(threads: 1)))
            parts.model.initialize(seed: configuration.seed)
            let step = parts.step
            var figures = Figures()
            for number in 1...3 {
                let outcome = try step.run(number, learningRate: 1e-3)
                figures.losses.append(outcome.figures)
                figures.norms.append(outcome.gradientNorm)
            }
            figures.weights = parts.model.parameters.values.array
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
