/// Height and width of an image, in pixels.
package struct ImageSize: Hashable, Sendable {
    package let height: Int
    package let width: Int

    package init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    package var pixels: Int { height * width }
}

/// Images that can be read in any order, from any thread; with or without labels.
package protocol ImageSource: Sendable {
    /// What logs and reports call the data set.
    var name: String { get }
    /// Images, numbered 0 ..< count.
    var count: Int { get }
    var channels: Int { get }
    /// Labels are in 0 ..< classCount; nil where images have none.
    var classCount: Int? { get }
    /// CRC-32 of sizes, labels and pixels: ranks whose fingerprints differ do not see the same data.
    var fingerprint: UInt32 { get }
    /// The size that all images share, or that of the largest where they differ.
    var largestSize: ImageSize { get }

    /// Bytes of images and labels that this process holds in memory.
    var heldBytes: Int { get }

    /// The size of one image, known before its pixels are read.
    func size(at index: Int) -> ImageSize

    /// Asked for only where there is a `classCount`.
    func label(at index: Int) -> Int

    /// Writes one image as planar bytes [channels, height, width] to the start of `pixels`; allocates nothing where
    /// images are kept in memory.
    ///
    /// - Parameter pixels: at least `byteCount(at: index)` elements.
    /// - Throws: an error that names the file, where the image is read only now.
    func copyPixels(at index: Int, into pixels: inout MutableSpan<UInt8>) throws(ImageDataError)
}

extension ImageSource {
    package var heldBytes: Int { 0 }
    package func byteCount(at index: Int) -> Int { channels * size(at: index).pixels }
}
