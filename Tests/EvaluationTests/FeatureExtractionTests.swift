import Augmentation
import Communication
import Evaluation
import EvaluationCommands
import Features
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite("Features of a data set")
struct FeatureExtractionTests {
    static let configuration: VisionTransformerConfiguration = {
        var c = VisionTransformerConfiguration()
        (c.imageHeight, c.imageWidth, c.patchSize, c.channels) = (16, 16, 4, 2)
        (c.embedDim, c.depth, c.heads) = (32, 3, 4)
        return c
    }()
    static let features: [ImageFeature] = [.cls, .clsOnce, .pooled]

    private static func source(_ count: Int) throws -> SyntheticImages {
        try SyntheticImages(
            SyntheticImageParameters(count: count, channels: 2, size: ImageSize(height: 16, width: 16)), split: .test)
    }

    private static var transform: ImageTransform {
        ImageTransform(
            size: ImageSize(height: 16, width: 16),
            statistics: ChannelStatistics(mean: [0.4, 0.5], standardDeviation: [0.2, 0.3]), augmentation: .whole)
    }

    private static func encoder(
        images: Int, features: [ImageFeature] = features, threads: Int
    ) throws -> FrozenEncoder {
        let parameters = ParameterSet(VisionTransformer.specifications(configuration), plan: MemoryPlan())
        let encoder = VisionTransformer(configuration, parameters, .float32, plan: MemoryPlan())
        parameters.initialize(seed: 3)
        encoder.computePositions()
        let frozen = FrozenEncoder(
            encoder, images: images, features: features, team: try Team(threads: threads), plan: MemoryPlan())
        frozen.refreshWeights()
        return frozen
    }

    /// Images of which two cannot be read.
    private struct Damaged: WrappedImages {
        let images: SyntheticImages
        func decode(
            at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
        ) throws(ImageDataError) -> PixelView {
            if [3, 11].contains(index) { throw .badImage(path: "/\(index)", reason: .empty) }
            return images.decode(at: index, part: choose, into: buffer)
        }
    }

    @Test("images that cannot be read are left out, or end it", arguments: [1, 2, 3])
    func bad(ranks: Int) throws {
        let whole = try extract(ranks: 1, count: 13, images: 4)[0][0]
        let width = Self.configuration.embedDim
        let expected = (0..<13).filter { ![3, 11].contains($0) }.flatMap { whole[$0 * width..<($0 + 1) * width] }
        let source = Damaged(images: try Self.source(13))
        let parts = try InProcessWorld.run(ranks: ranks) { world in
            let extraction = FeatureExtraction(
                try Self.encoder(images: 4, features: [.cls], threads: 2), Self.transform, plan: MemoryPlan())
            let bad = BadImages(.skip, of: 13)
            let found = try extraction.run(source, skipping: bad, in: world)
            #expect(found.count == 11 && found.labels?.count == found.counts[world.rank])
            #expect(throws: (any Error).self) { try extraction.run(source, in: world) }
            return found[.cls].array
        }
        #expect(parts.flatMap { $0 } == expected)
    }

    /// Of each rank, by feature.
    private func extract(ranks: Int, count: Int, images: Int, threads: Int = 1) throws -> [[[Float]]] {
        try InProcessWorld.run(ranks: ranks) { world in
            let encoder = try Self.encoder(images: images, threads: threads)
            let found = try FeatureExtraction(encoder, Self.transform, plan: MemoryPlan())
                .run(Self.source(count), in: world)
            #expect(found.count == count && found.counts.count == ranks)
            #expect(found.labels?.count == found.counts[world.rank])
            return Self.features.map { found[$0].array }
        }
    }

    @Test("each image has its own once, whatever the ranks, threads and passes", arguments: [1, 2, 3, 8])
    func everyImage(ranks: Int) throws {
        let count = 37
        let alone = try extract(ranks: 1, count: count, images: count)[0]
        // Images differ, and so do the features.
        #expect(Set(alone.map { $0[0] }).count == Self.features.count)
        #expect(Set(stride(from: 0, to: alone[0].count, by: 32).map { alone[0][$0] }).count == count)
        for (images, threads) in [(4, 1), (5, 2)] {
            let parts = try extract(ranks: ranks, count: count, images: images, threads: threads)
            for feature in Self.features.indices {
                #expect(relativeError(parts.flatMap { $0[feature] }, alone[feature]) < 1e-6)
            }
        }
    }

    @Test("how far it is is told before the first pass and after each, and said now and then")
    func progress() throws {
        var lines: [String] = []
        let progress = PassProgress("features", isSilent: false, every: .zero) { lines.append($0) }
        let silent = PassProgress("features", isSilent: true, every: .zero) { lines.append($0) }
        var told: [Int] = []
        let encoder = try Self.encoder(images: 4, threads: 1)
        let passes = ImagePasses(Self.transform, images: 4, team: encoder.team, plan: MemoryPlan()) { done, count in
            told.append(done)
            #expect(count == 10)
            progress.tell(done, of: count)
            silent.tell(done, of: count)
        }
        _ = try FeatureExtraction(encoder, passes).run(try Self.source(10), in: SingleProcess())
        #expect(told == [0, 4, 8])
        #expect(lines.count == 2 && lines[0].hasPrefix("features: 4 of this rank's 10 images, "), "\(lines)")
        #expect(lines.allSatisfy { $0.hasSuffix(" to go") })
    }

    @Test("fewer images than ranks")
    func fewImages() throws {
        let parts = try extract(ranks: 4, count: 3, images: 8)
        #expect(parts.map { $0[0].count / 32 } == [0, 1, 1, 1])
    }
}
