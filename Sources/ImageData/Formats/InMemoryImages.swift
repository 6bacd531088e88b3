internal import Host
import Glibc
package import Tensors

/// Images of one size, decoded once and kept in memory.
package struct InMemoryImages: ImageSource {
    package let name: String
    package let channels: Int
    package let largestSize: ImageSize
    package let classCount: Int?
    package let fingerprint: UInt32
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
        self.largestSize = size
        self.classCount = classCount
        self.pixels = pixels
        self.labels = labels
        var checksum = Checksum()
        for value in [pixels.rows, channels, size.height, size.width, classCount ?? 0] { checksum.add(value) }
        unsafe checksum.add(labels.span.bytes)
        pixels.withElements { unsafe checksum.add($0.bytes) }
        fingerprint = checksum.value
    }

    package var count: Int { pixels.rows }
    package var heldBytes: Int { pixels.byteCount + labels.count * MemoryLayout<Int32>.stride }

    package func size(at index: Int) -> ImageSize { largestSize }

    package func label(at index: Int) -> Int { Int(labels[index]) }

    package func copyPixels(at index: Int, into destination: inout MutableSpan<UInt8>) {
        precondition(index >= 0 && index < count && destination.count >= pixels.columns)
        unsafe destination.withUnsafeMutableBufferPointer { buffer in
            guard let address = buffer.baseAddress else { return }
            unsafe memcpy(address, pixels.pointer + index * pixels.stride, pixels.columns)
        }
    }
}
