internal import Host
package import ImageCodecs
package import ImageSources
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

    package var identity: DataIdentity {
        DataIdentity(shape: shape, labels: labels) { decode(at: $0, part: \.whole) }
    }

    package var earlierFingerprint: UInt32? {
        var checksum = Checksum(shape: shape, labels: labels)
        pixels.withElements { unsafe checksum.add($0.bytes) }
        return checksum.value
    }

    private var shape: [Int] { [count, channels, size.height, size.width, classCount ?? 0] }

    package func label(at index: Int) -> Int { Int(labels[index]) }

    package func decode(at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer) -> PixelView {
        decode(at: index, part: choose)
    }

    private func decode(at index: Int, part choose: (ImageSize) -> CropBox) -> PixelView {
        precondition(index >= 0 && index < count)
        return PixelView(planes: pixels.rows(index..<index + 1), size, channels: channels).part(choose(size))
    }
}
