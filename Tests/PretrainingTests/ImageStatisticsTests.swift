import Communication
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Synchronization
import Testing
import TestSupport
import TrainingRuns

@Suite("Mean and deviation of the images")
struct ImageStatisticsTests {
    /// Synthetic images that count how often each is decoded, and of which one may be damaged.
    private final class WatchedImages: WrappedImages {
        let images: SyntheticImages
        let damaged: Int?
        private let decoded: Mutex<[Int]>

        init(count: Int, damaged: Int? = nil) throws {
            images = try SyntheticImages(
                SyntheticImageParameters(count: count, channels: 2, size: ImageSize(height: 5, width: 7)), split: .train
            )
            self.damaged = damaged
            decoded = Mutex([Int](repeating: 0, count: count))
        }

        var timesDecoded: [Int] { decoded.withLock { $0 } }

        func decode(
            at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
        ) throws(ImageDataError) -> PixelView {
            if index == damaged { throw .unreadable(path: "/data/\(index).jpeg", reason: "damaged") }
            decoded.withLock { $0[index] += 1 }
            return images.decode(at: index, part: choose, into: buffer)
        }
    }

    @Test("each image is read by one rank, and all ranks have the bits that one alone has", arguments: [1, 2, 3, 7])
    func ranks(ranks: Int) throws {
        let source = try WatchedImages(count: 23)
        let expected = try ChannelStatistics(of: source.images)
        let found = try InProcessWorld.run(ranks: ranks) { world in
            try DataConfiguration().statistics(of: source, skipping: BadImages(.fail, of: source.count), in: world)
        }
        #expect(found == [ChannelStatistics](repeating: expected, count: ranks))
        #expect(source.timesDecoded == [Int](repeating: 1, count: 23))
    }

    @Test("sums of floats have the same bits at any number of ranks", arguments: [1, 2, 3, 7])
    func floats(ranks: Int) throws {
        let source = FloatImages(count: 300, cancelling: true)
        let expected = try ChannelStatistics(of: source)
        #expect(!expected.mean.contains(0))
        let found = try InProcessWorld.run(ranks: ranks) { world in
            try DataConfiguration().statistics(of: source, skipping: BadImages(.fail, of: source.count), in: world)
        }
        #expect(found == [ChannelStatistics](repeating: expected, count: ranks))
    }

    @Test("more ranks than images are no obstacle")
    func fewImages() throws {
        let source = try WatchedImages(count: 2)
        let found = try InProcessWorld.run(ranks: 3) { world in
            try DataConfiguration().statistics(of: source, skipping: BadImages(.fail, of: source.count), in: world)
        }
        #expect(try Set(found) == [ChannelStatistics(of: source.images)])
    }

    @Test("what is known is not computed, and reads no image")
    func known() throws {
        let source = try WatchedImages(count: 9)
        var configuration = DataConfiguration()
        configuration.mean = [0.25, 0.5]
        let one = try configuration.statistics(
            of: source, skipping: BadImages(.fail, of: source.count), in: SingleProcess())
        #expect(one.mean == [0.25, 0.5])
        #expect(try one.standardDeviation == ChannelStatistics(of: source.images).standardDeviation)
        #expect(source.timesDecoded == [Int](repeating: 1, count: 9))
        configuration.standardDeviation = [0.125, 1]
        let both = try configuration.statistics(
            of: source, skipping: BadImages(.fail, of: source.count), in: SingleProcess())
        #expect(both == ChannelStatistics(mean: [0.25, 0.5], standardDeviation: [0.125, 1]))
        #expect(source.timesDecoded == [Int](repeating: 1, count: 9))
    }

    @Test("an image that one rank cannot read ends all of them with its name")
    func damaged() throws {
        let source = try WatchedImages(count: 9, damaged: 8)
        let messages = try InProcessWorld.run(ranks: 3) { world in
            do {
                _ = try DataConfiguration().statistics(
                    of: source, skipping: BadImages(.fail, of: source.count), in: world)
                return "no failure"
            } catch let failure as AgreedFailure { return failure.description }
        }
        #expect(
            Set(messages).count == 1 && messages[0].hasPrefix("rank 2: /data/8.jpeg: cannot be read"), "\(messages)")
    }
}
