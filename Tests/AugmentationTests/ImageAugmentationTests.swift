import Augmentation
import Foundation
import ImageCodecs
import Tensors
import TestSupport
import Testing

@Suite("What is taken of an image")
struct ImageAugmentationTests {
    private let draw = ImageAugmentation.Draw(seed: 3, epoch: 1, sample: 5)

    /// The records of scripts/fixtures/transforms.py.
    @Test("the middle is what torchvision's Resize and CenterCrop give, in every byte")
    func center() throws {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/center", withExtension: "bin"))
        var bytes = ArraySlice([UInt8](try Data(contentsOf: url)))
        func take(_ count: Int) -> [UInt8] {
            defer { bytes = bytes.dropFirst(count) }
            return Array(bytes.prefix(count))
        }
        let resampler = BicubicResampler()
        var records = 0
        while !bytes.isEmpty {
            let header = (0..<5).map { _ in take(4).reversed().reduce(0) { $0 << 8 | Int($1) } }
            let (old, new) = (
                ImageSize(height: header[0], width: header[1]), ImageSize(height: header[3], width: header[4])
            )
            let (image, expected) = (take(3 * old.pixels), take(3 * new.pixels))
            let buffer = ImageBuffer()
            let memory = buffer.bytes(4 * old.pixels)
            for index in image.indices { memory[0, index / 3 * 4 + index % 3] = image[index] }
            let view = unsafe PixelView(
                memory.pointer, of: memory.storage, old, channels: 3, layout: .rgbx, rowBytes: 4 * old.width)
            let augmentation = ImageAugmentation.center(shorterSide: header[2])
            #expect(augmentation.box(in: old, draw) == old.whole && !augmentation.flips(draw))
            let (whole, part) = augmentation.resizing(old, to: new)
            let planes = resampler.resample(view, to: whole).part(part).planes
            let found = (0..<3 * new.pixels).map { planes[$0 % 3 * new.pixels + $0 / 3] }
            #expect(found == expected, "\(old) to \(new)")
            records += 1
        }
        #expect(records == 7)
    }

    @Test("a crop that is not drawn again is cut off to the image, and lies anywhere in it")
    func withoutRetries() {
        let crop = RandomResizedCrop(scale: 0.9...1, retries: false)
        // So long that every crop is higher than the image.
        let size = ImageSize(height: 10, width: 400)
        var lefts: Set<Int> = []
        for sample in 0..<200 {
            let draw = ImageAugmentation.Draw(seed: 1, epoch: 0, sample: sample)
            let box = ImageAugmentation.crop(crop).box(in: size, draw)
            #expect(box.lies(in: size) && box.height == 10 && box.width >= 51 && box.width <= 73)
            lefts.insert(box.left)
        }
        #expect(lefts.count > 100)
        let again = RandomResizedCrop(scale: 0.9...1)
        // Ten attempts that do not fit give the middle.
        #expect(ImageAugmentation.crop(again).box(in: size, draw) == again.centralBox(in: size))
    }

    @Test("a crop that is not drawn again has the sides that facebookresearch/mae makes of its draws")
    func sidesWithoutRetries() throws {
        let crop = RandomResizedCrop(scale: 0.08...1, retries: false)
        let rows = try FineTuningFixture().rows("crop.box", of: 6)
        #expect(rows.count == 24)
        var cut = 0
        for row in rows {
            let size = ImageSize(row[2], row[3])
            #expect(crop.sides(part: row[0], ratio: row[1], in: size) == ImageSize(row[4], row[5]), "\(row)")
            if RandomResizedCrop(scale: 0.08...1).sides(part: row[0], ratio: row[1], in: size) == nil { cut += 1 }
        }
        // Those of long images.
        #expect(cut >= 16)
    }

    @Test("draws belong to seed, epoch and sample")
    func draws() {
        let augmentation = ImageAugmentation.crop(RandomResizedCrop(), flipProbability: 0.5)
        let size = ImageSize(height: 200, width: 300)
        func box(_ seed: UInt64, _ epoch: Int, _ sample: Int) -> CropBox {
            augmentation.box(in: size, ImageAugmentation.Draw(seed: seed, epoch: epoch, sample: sample))
        }
        #expect(box(1, 2, 3) == box(1, 2, 3))
        #expect(Set([box(1, 2, 3), box(2, 2, 3), box(1, 3, 3), box(1, 2, 4)]).count == 4)
        let flips = (0..<400).count { augmentation.flips(ImageAugmentation.Draw(seed: 1, epoch: 0, sample: $0)) }
        // Binomial: 200 ± 10 standard; five of them.
        #expect(abs(flips - 200) < 50)
    }
}
