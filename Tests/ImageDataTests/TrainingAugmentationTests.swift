import Augmentation
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Tensors
import TestSupport
import Testing

@Suite("Augmentation of what is fine-tuned")
struct TrainingAugmentationTests {
    private let size = ImageSize(height: 16, width: 16)
    private let statistics = ChannelStatistics(mean: [0.485, 0.456, 0.5], standardDeviation: [0.2, 0.25, 0.5])

    private func source() throws -> any ImageSource {
        try ImageDataset.open(
            path: "synthetic", split: .train,
            synthetic: SyntheticImageParameters(count: 40, size: ImageSize(height: 24, width: 20)))
    }

    private func prepare(
        _ augmentation: TrainingAugmentation, _ index: Int, epoch: Int = 0,
        _ workspace: AugmentationWorkspace = AugmentationWorkspace()
    ) throws -> [Float] {
        let transform = ImageTransform(size: size, statistics: statistics, augmentation: augmentation)
        let row = Matrix(rows: 1, columns: transform.elementCount)
        try transform.prepare(try source(), index: index, seed: 9, epoch: epoch, workspace: workspace, into: row)
        return row.array
    }

    @Test("a prepared image depends on seed, epoch and sample alone, and is none that was only cropped")
    func independentOfOrder() throws {
        let augmentation = TrainingAugmentation(
            .crop(RandomResizedCrop(scale: 0.08...1)),
            bytes: .randAugment(try RandAugment("rand-m9-n4-mstd0.5-inc1")), erasing: RandomErasing(probability: 1))
        let shared = AugmentationWorkspace()
        let forward = try (0..<8).map { try prepare(augmentation, $0, shared) }
        for index in [3, 7, 0, 5, 1, 4, 2, 6] { #expect(try prepare(augmentation, index) == forward[index]) }
        #expect(try prepare(augmentation, 2, epoch: 1) != forward[2])
        for index in 0..<8 { #expect(try prepare(TrainingAugmentation(augmentation.part), index) != forward[index]) }
    }

    @Test("bytes are changed after crop and flip, and before they are normalised, with the mean around them")
    func order() throws {
        let part = ImageAugmentation.crop(RandomResizedCrop(scale: 0.5...1), flipProbability: 1)
        let policy = RandAugment(magnitude: 9, layers: 3, increases: true)
        for index in 0..<20 {
            // The image as it was cropped and flipped, in bytes again.
            let plain = try prepare(TrainingAugmentation(part), index)
            let memory = ImageBuffer().bytes(plain.count)
            for place in plain.indices {
                let channel = place / size.pixels
                let value = plain[place] * statistics.standardDeviation[channel] + statistics.mean[channel]
                memory[0, place] = UInt8((value * 255).rounded())
            }
            let canvas = ByteCanvas()
            canvas.take(PixelView(planes: memory, size, channels: 3), mirrored: false)
            ByteAugmentation.randAugment(policy).apply(
                to: canvas, ImageAugmentation.Draw(seed: 9, epoch: 0, sample: index),
                // 123.675, 116.28 and 127.5, as Python rounds.
                fill: [124, 116, 128])
            let changed = canvas.view.planes
            let found = try prepare(TrainingAugmentation(part, bytes: .randAugment(policy)), index)
            for place in found.indices {
                let channel = place / size.pixels
                let expected =
                    (Float(changed[place]) / 255 - statistics.mean[channel]) / statistics.standardDeviation[channel]
                #expect(found[place] == expected)
            }
        }
    }

    @Test("what is erased was normalised before")
    func erasing() throws {
        let part = ImageAugmentation.crop(RandomResizedCrop(), flipProbability: 0.5)
        let erasing = RandomErasing(probability: 1, mode: .const)
        for index in 0..<10 {
            let plain = try prepare(TrainingAugmentation(part), index)
            let found = try prepare(TrainingAugmentation(part, erasing: erasing), index)
            #expect(zip(found, plain).allSatisfy { $0 == 0 || $0 == $1 } && found != plain)
        }
    }
}
