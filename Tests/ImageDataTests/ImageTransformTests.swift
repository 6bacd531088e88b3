import Augmentation
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Tensors
import Testing
import TestSupport

@Suite("Augmentation")
struct ImageTransformTests {
    private func source(_ count: Int = 6) throws -> any ImageSource {
        try ImageDataset.open(
            path: "synthetic", split: .train,
            synthetic: SyntheticImageParameters(count: count, size: ImageSize(height: 24, width: 20)))
    }

    static let statistics = ChannelStatistics(mean: [0.5, 0.4, 0.3], standardDeviation: [0.2, 0.25, 0.5])

    private func transform(_ augmentation: ImageAugmentation, height: Int = 16, width: Int = 18) -> ImageTransform {
        ImageTransform(
            size: ImageSize(height: height, width: width), statistics: Self.statistics, augmentation: augmentation)
    }

    private func prepare(
        _ transform: ImageTransform, _ source: any ImageSource, _ index: Int, epoch: Int = 0, seed: UInt64 = 9,
        _ workspace: AugmentationWorkspace = AugmentationWorkspace()
    ) throws -> [Float] {
        let row = Matrix(rows: 1, columns: transform.elementCount)
        try transform.prepare(source, index: index, seed: seed, epoch: epoch, workspace: workspace, into: row)
        return row.array
    }

    @Test("a prepared image depends on seed, epoch and sample alone, not on what came before")
    func independentOfOrder() throws {
        let source = try source()
        let transform = transform(.crop(RandomResizedCrop()))
        let shared = AugmentationWorkspace()
        let forward = try (0..<6).map { try prepare(transform, source, $0, shared) }
        for index in [3, 0, 5, 1, 4, 2] {
            #expect(try prepare(transform, source, index) == forward[index])
        }
        #expect(try prepare(transform, source, 2, epoch: 1) != forward[2])
        #expect(try prepare(transform, source, 2, seed: 8) != forward[2])
    }

    @Test("without augmentation an image of the right size is only normalised")
    func evaluation() throws {
        let source = try source()
        let result = try prepare(transform(.whole, height: 24, width: 20), source, 4, epoch: 5)
        let pixels = try pixels(source, 4)
        for element in pixels.indices {
            let channel = element / 480
            let expected =
                (Float(pixels[element]) / 255 - Self.statistics.mean[channel])
                / Self.statistics.standardDeviation[channel]
            // The same float operations in the same order: no tolerance.
            #expect(result[element] == expected)
        }
    }

    @Test("floats are normalised as they are, and mirrored")
    func floats() throws {
        let source = FloatImages(count: 5)
        let size = ImageSize(height: 3, width: 4)
        let statistics = ChannelStatistics(mean: [11, -4], standardDeviation: [0.5, 300])
        let whole = RandomResizedCrop(scale: 1...1, ratio: 4.0 / 3...4.0 / 3)
        for mirrored in [false, true] {
            let augmentation = ImageAugmentation.crop(whole, flipProbability: mirrored ? 1 : 0)
            let result = try prepare(
                ImageTransform(size: size, statistics: statistics, augmentation: augmentation), source, 3)
            for channel in 0..<2 {
                let values = FloatImages.values(3, channel: channel).map {
                    ($0 - statistics.mean[channel]) / statistics.standardDeviation[channel]
                }
                for (place, value) in values.enumerated() {
                    let column = mirrored ? 3 - place % 4 : place % 4
                    #expect(result[12 * channel + place / 4 * 4 + column] == value)
                }
            }
        }
    }

    @Test("a flip mirrors every line")
    func flip() throws {
        let source = try source()
        // The crop is the whole image: only the flip is left.
        let whole = RandomResizedCrop(scale: 1...1, ratio: 20.0 / 24...20.0 / 24)
        let plain = try prepare(transform(.crop(whole, flipProbability: 0)), source, 1)
        let mirrored = try prepare(transform(.crop(whole, flipProbability: 1)), source, 1)
        #expect(try prepare(transform(.whole), source, 1) == plain)
        #expect(plain != mirrored)
        for line in 0..<3 * 16 {
            #expect(Array(plain[line * 18..<line * 18 + 18].reversed()) == Array(mirrored[line * 18..<line * 18 + 18]))
        }
    }

    @Test("half of the images are flipped")
    func flipFrequency() throws {
        let source = try source(4000)
        let whole = RandomResizedCrop(scale: 1...1, ratio: 20.0 / 24...20.0 / 24)
        let transform = transform(.crop(whole), height: 24, width: 20)
        let plain = self.transform(.whole, height: 24, width: 20)
        let workspace = AugmentationWorkspace()
        var flipped = 0
        for index in 0..<400 where try prepare(transform, source, index, workspace) != prepare(plain, source, index) {
            flipped += 1
        }
        // Binomial: 200 ± 10 standard; five of them.
        #expect(abs(flipped - 200) < 50)
    }

    @Test("crops stay inside and have torchvision's distribution", arguments: [(28, 28), (48, 64)])
    func cropDistribution(height: Int, width: Int) {
        let crop = RandomResizedCrop()
        let size = ImageSize(height: height, width: width)
        let draws = 40_000
        var sums = [Double](repeating: 0, count: 5)
        for sample in 0..<draws {
            var random = SampleRandom(seed: 5, epoch: 0, sample: sample, purpose: .crop)
            let box = crop.box(in: size, random: &random)
            #expect(box.top >= 0 && box.left >= 0 && box.top + box.height <= height && box.left + box.width <= width)
            // Sides are rounded by at most a half.
            let ratio =
                (Double(box.width) - 0.5) / (Double(box.height) + 0.5)...(Double(box.width) + 0.5)
                / (Double(box.height) - 0.5)
            #expect(ratio.overlaps(0.75...4.0 / 3))
            let area = Double(box.height * box.width) / Double(size.pixels)
            #expect(area > 0.17 && area <= 1)
            for (index, value) in [box.top, box.left, box.height, box.width].enumerated() {
                sums[index] += Double(value)
            }
            sums[4] += area
        }
        // torchvision 0.28, 100,000 draws: mean top, left, height, width, area. The largest standard error of the
        // difference is 9.3/√40,000 · 1.2 = 0.055 pixels (areas: 0.2/200 · 1.2 = 0.0012): four of them.
        let expected =
            width == 28
            ? [3.7644, 3.767_27, 20.469_76, 20.473_08, 0.552_074]
            : [5.078_42, 12.210_47, 37.817_49, 39.626_05, 0.502_919]
        for (sum, mean) in zip(sums[..<4], expected) { #expect(abs(sum / Double(draws) - mean) < 0.22) }
        #expect(abs(sums[4] / Double(draws) - expected[4]) < 0.005)
    }

    @Test("images too long for any crop give their central part, as torchvision's do")
    func centralCrop() {
        let crop = RandomResizedCrop(scale: 0.99...1)
        let cases: [(ImageSize, CropBox)] = [
            (ImageSize(height: 100, width: 10), CropBox(top: 43, left: 0, height: 13, width: 10)),
            (ImageSize(height: 10, width: 100), CropBox(top: 0, left: 43, height: 10, width: 13)),
            (ImageSize(height: 50, width: 3), CropBox(top: 23, left: 0, height: 4, width: 3)),
            (ImageSize(height: 1, width: 1), CropBox(top: 0, left: 0, height: 1, width: 1)),
        ]
        for (size, expected) in cases {
            var random = SampleRandom(seed: 1, epoch: 0, sample: 0, purpose: .crop)
            #expect(crop.box(in: size, random: &random) == expected)
        }
    }
}
