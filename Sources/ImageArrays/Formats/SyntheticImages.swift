import Glibc
package import ImageCodecs
package import ImageSources
import Tensors

/// How many synthetic images there are, and of what shape.
package struct SyntheticImageParameters: Hashable, Sendable {
    package var count: Int
    package var channels: Int
    package var size: ImageSize
    package var classCount: Int
    package var seed: UInt64

    package init(
        count: Int = 50_000, channels: Int = 3, size: ImageSize = ImageSize(height: 32, width: 32),
        classCount: Int = 10, seed: UInt64 = 0
    ) {
        self.count = count
        self.channels = channels
        self.size = size
        self.classCount = classCount
        self.seed = seed
    }

    /// Images that differ, a multiple of the classes so that the label of an image is that of the grating it shows.
    var distinctCount: Int {
        let bytes = channels * size.pixels
        let wanted = min(max(16 << 20, bytes) / bytes, 4096)
        return min(max(wanted / classCount, 1) * classCount, count)
    }

    /// What the images take in memory.
    package var heldBytes: Int { distinctCount * (channels * size.pixels + MemoryLayout<Int32>.stride) }
}

/// Images made, not read: an oriented grating per class, at a random phase, under noise. The label is index mod classes.
///
/// Only the first `distinctCount` images (up to 4096, in about 16 MiB, and at least one per class) differ; they are made
/// once, and image i is image i mod `distinctCount`. Decoding costs one copy, so it never limits a measurement of speed.
package struct SyntheticImages: ImageSource {
    package let count: Int
    package let distinctCount: Int
    private let pool: InMemoryImages

    /// - Throws: if a number is not positive or too large.
    package init(_ parameters: SyntheticImageParameters, split: ImageDataset.Split) throws(ImageDataError) {
        let size = parameters.size
        let sizes = [parameters.count, parameters.channels, size.height, size.width, parameters.classCount]
        guard sizes.allSatisfy({ $0 > 0 }) else {
            throw .impossibleSynthetic(
                reason: "count, channels, height, width and classes must be positive, not \(sizes)")
        }
        let limits = [Int(UInt32.max), 64, 8192, 8192, 65_536]
        guard zip(sizes, limits).allSatisfy({ $0 <= $1 }) else {
            throw .impossibleSynthetic(
                reason: "count, channels, height, width and classes are at most \(limits), not \(sizes)")
        }
        let classes = parameters.classCount
        let bytes = parameters.channels * size.pixels
        distinctCount = parameters.distinctCount
        count = parameters.count
        let pixels = MatrixView<UInt8>(rows: distinctCount, columns: bytes)
        for index in 0..<distinctCount {
            let random = SampleRandom(
                seed: parameters.seed, epoch: split == .train ? 0 : 1, sample: index, purpose: .syntheticImage)
            Self.draw(random, parameters, label: index % classes, into: pixels.rows(index..<index + 1))
        }
        let labels = (0..<distinctCount).map { Int32($0 % classes) }
        pool = InMemoryImages(
            name: "synthetic", pixels: pixels, labels: labels, channels: parameters.channels, size: size,
            classCount: classes)
    }

    package var name: String { pool.name }
    package var channels: Int { pool.channels }
    package var classCount: Int? { pool.classCount }
    package var uniformSize: ImageSize? { pool.uniformSize }
    package var heldBytes: Int { pool.heldBytes }
    package var identity: DataIdentity { DataIdentity(count: count, pool.identity.checksum) }
    package var earlierFingerprint: UInt32? { pool.earlierFingerprint.map { $0 ^ UInt32(truncatingIfNeeded: count) } }

    package var form: String { "generated" }

    package func label(at index: Int) -> Int {
        precondition(index >= 0 && index < count)
        return pool.label(at: index % distinctCount)
    }

    package func decode(at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer) -> PixelView {
        precondition(index >= 0 && index < count)
        return pool.decode(at: index % distinctCount, part: choose, into: buffer)
    }

    /// 128 + 80·sin(grating + phase) + noise in −32 ..< 32; about four periods across the image.
    private static func draw(
        _ stream: SampleRandom, _ parameters: SyntheticImageParameters, label: Int, into row: MatrixView<UInt8>
    ) {
        var random = stream
        let size = parameters.size
        let angle = Float.pi * Float(label) / Float(parameters.classCount)
        let frequency = 2 * Float.pi * 4 / Float(max(size.height, size.width))
        let stepX = frequency * cosf(angle)
        let stepY = frequency * sinf(angle)
        row.withMutableElements { pixels in
            var noise: UInt32 = 0
            var offset = 0
            for _ in 0..<parameters.channels {
                let phase = 2 * Float.pi * random.uniform()
                for y in 0..<size.height {
                    for x in 0..<size.width {
                        // One draw serves four pixels.
                        noise = offset & 3 == 0 ? random.bits() : noise >> 8
                        let wave = 80 * sinf(stepX * Float(x) + stepY * Float(y) + phase)
                        pixels[offset] = UInt8(128 + wave + Float(noise & 63) - 32)
                        offset += 1
                    }
                }
            }
        }
    }
}
