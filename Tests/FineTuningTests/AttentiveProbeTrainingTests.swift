import Augmentation
import Communication
import Evaluation
import FineTuning
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Layers
import Models
import Runs
import Safetensors
import Tensors
import TestSupport
import Testing

@Suite("An attentive probe trained on a frozen encoder")
struct AttentiveProbeTrainingTests {
    private static let size = ImageSize(height: 8, width: 8)
    private static let settings = "these"

    private static var transform: ImageTransform {
        ImageTransform(
            size: size, statistics: ChannelStatistics(mean: [0.5], standardDeviation: [0.25]), augmentation: .whole)
    }

    private static func images(_ count: Int, seed: UInt64) throws -> SyntheticImages {
        try SyntheticImages(SyntheticImageParameters(count: count, channels: 1, size: size, seed: seed), split: .train)
    }

    private func probe(from epoch: Int = 0, on resources: RankResources) throws -> AttentiveProbeTraining {
        let world = resources.communicator
        var c = VisionTransformerConfiguration()
        (c.imageHeight, c.imageWidth, c.patchSize, c.channels) = (8, 8, 4, 1)
        (c.embedDim, c.depth, c.heads) = (16, 2, 2)
        let parameters = ParameterSet(VisionTransformer.specifications(c), plan: resources.memory)
        let encoder = VisionTransformer(c, parameters, .float32, plan: resources.memory)
        parameters.initialize(seed: 4)
        encoder.computePositions()
        let source = try Self.images(50, seed: 1)
        let loader = try BatchLoader(
            source: source, transform: Self.transform,
            division: EpochDivision(
                imageCount: 50, BatchPlan(globalBatch: 12, ranks: world.size, accumulation: 2), rank: world.rank),
            seed: 3, epoch: epoch, workers: 0, plan: resources.memory)
        var configuration = AttentiveProbeTraining.Configuration()
        (configuration.epochs, configuration.warmupEpochs, configuration.baseRate) = (6, 1, 0.2)
        (configuration.queries, configuration.weightDecay) = (4, 0.01)
        return try AttentiveProbeTraining(configuration, encoder, classes: 10, on: loader, resources)
    }

    private func weights(_ probe: AttentiveProbeTraining) -> [Float] {
        probe.kept.flatMap { tensor -> [Float] in
            guard case .floats(let values) = tensor.content else { return [] }
            return values.array
        }
    }

    @Test("learns, and is the same at any number of ranks", arguments: [2, 3])
    func ranks(_ ranks: Int) throws {
        func run(_ ranks: Int) throws -> [(losses: [Double], accuracy: ClassificationAccuracy)] {
            try InProcessWorld.run(ranks: ranks) { world in
                let resources = RankResources(world, try Team(threads: 1))
                let probe = try probe(on: resources)
                var losses: [Double] = []
                try probe.run { _, loss, _ in losses.append(loss) }
                // 23 test images, which nothing divides.
                return (losses, try probe.test(on: Self.images(23, seed: 2), by: Self.transform, resources))
            }
        }
        let alone = try run(1)[0]
        #expect(alone.losses.count == 6 && alone.losses[5] < alone.losses[0])
        for found in try run(ranks) {
            #expect(zip(found.losses, alone.losses).allSatisfy { abs($0 - $1) < 1e-3 * abs($1) })
            #expect(found.accuracy == alone.accuracy)
        }
    }

    @Test("goes on from a file as if it had not stopped", arguments: [1, 2])
    func resume(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("attentive.safetensors")
        struct Stop: Error {}
        let found = try InProcessWorld.run(ranks: ranks) { world in
            let resources = RankResources(world, try Team(threads: 1))
            let whole = try probe(on: resources)
            try whole.run { _, _, _ in }
            let first = try probe(on: resources)
            do {
                try first.run { epoch, _, _ in
                    try first.save(to: path, settings: Self.settings, in: world)
                    if epoch == 4 { throw Stop() }
                }
            } catch is Stop {}
            let epoch = try ProbeFile.epoch(in: path, settings: Self.settings, in: world)
            #expect(epoch == 4)
            let second = try probe(from: epoch, on: resources)
            try second.restore(from: path, settings: Self.settings, in: world)
            try second.run { _, _, _ in }
            return (weights(whole), weights(second))
        }
        for (whole, resumed) in found { #expect(whole == resumed) }
    }
}
