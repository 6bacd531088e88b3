package import ImageCodecs
internal import Host
package import Tensors

/// Images of one size, kept in memory as they are decoded.
package struct InMemoryImages: ImageSource {
    package let name: String
    package let channels: Int
    package let classCount: Int?
    private let size: ImageSize
    private let pixels: MatrixView<UInt8>
    private let labels: [Int32]

    /// - Parameters:
    ///   - pixels: [count, channels · height · width], contiguous, planar.
    ///   - labels: one per image, each below `classCount`; none where that is nil.
    package init(
        name: String, pixels: MatrixView<UInt8>, labels: [Int32], channels: Int, size: ImageSize, classCount: Int?
    ) {
        precondition(pixels.isContiguous && labels.count == (classCount == nil ? 0 : pixels.rows))
        precondition(pixels.columns == channels * size.pixels)
        self.name = name
        self.channels = channels
        self.size = size
        self.classCount = classCount
        self.pixels = pixels
        self.labels = labels
    }

    package var count: Int { pixels.rows }
    package var heldBytes: Int { pixels.byteCount + labels.count * MemoryLayout<Int32>.stride }

    package var uniformSize: ImageSize? { size }

    /// Of the shape, all labels, and the pixels of `sampledImages` images in equal distances.
    package var identity: DataIdentity {
        var checksum = checksumOfShapeAndLabels
        let sampled = min(count, Self.sampledImages)
        for sample in 0..<sampled {
            let index = sample * count / sampled
            pixels.rows(index..<index + 1).withElements { unsafe checksum.add($0.bytes) }
        }
        return DataIdentity(count: count, checksum.value)
    }

    package var earlierFingerprint: UInt32? {
        var checksum = checksumOfShapeAndLabels
        pixels.withElements { unsafe checksum.add($0.bytes) }
        return checksum.value
    }

    /// Another version of a data set in which one image of twenty differs is taken for the same once in 27 times.
    private static var sampledImages: Int { 64 }

    private var checksumOfShapeAndLabels: Checksum {
        var checksum = Checksum()
        for value in [count, channels, size.height, size.width, classCount ?? 0] { checksum.add(value) }
        unsafe checksum.add(labels.span.bytes)
        return checksum
    }

    package func label(at index: Int) -> Int { Int(labels[index]) }

    package func decode(at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer) -> PixelView {
        precondition(index >= 0 && index < count)
        return PixelView(planes: pixels.rows(index..<index + 1), size, channels: channels).part(choose(size))
    }
}
