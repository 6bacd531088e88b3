package import ImageCodecs

/// An index of images, which are decoded one by one, in any order and on any thread; with or without labels.
///
/// All but `decode` is known without reading an image.
package protocol ImageSource: Sendable {
    /// What logs and reports call the data set.
    var name: String { get }
    /// Images, numbered 0 ..< count.
    /// How the images are kept, and where labels come from.
    var form: String { get }
    /// What there is to say of them before they are used, a line each.
    var notes: [String] { get }
    var count: Int { get }
    var channels: Int { get }
    /// Labels are in 0 ..< classCount; nil where images have none.
    var classCount: Int? { get }
    /// The size of every image; nil where sizes differ, and are known only once an image is decoded.
    var uniformSize: ImageSize? { get }
    /// Whether images are decoded to floats, and not to bytes.
    var isFloat: Bool { get }
    /// Checkpoints remember it, and ranks compare it: ranks whose identities differ do not see the same data.
    var identity: DataIdentity { get }
    /// What versions before `identity` remembered of the same images: the CRC-32 of sizes, labels and pixels. It reads
    /// every image; nil for sources that those versions did not have.
    var earlierFingerprint: UInt32? { get }
    /// Bytes of images and labels that this process holds in memory.
    var heldBytes: Int { get }

    /// Asked for only where there is a `classCount`.
    func label(at index: Int) -> Int

    /// Tells which images are asked for next, so that the system can read them while others are decoded. Whoever calls it
    /// need not know whether it is of use; it allocates nothing.
    ///
    /// - Parameter images: are in another order afterwards.
    func willRead(_ images: inout [Int])

    /// The pixels of a part of one image.
    ///
    /// - Parameters:
    ///   - choose: the part, given the image's size; called once.
    ///   - buffer: what had to be decoded is in it, until something else is.
    /// - Throws: an error that names the file, where the image is read only now.
    func decode(
        at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
    ) throws(ImageDataError) -> PixelView

    /// The same of a part that will be resized; a source that can gives fewer pixels of it.
    func decode(
        at index: Int, request choose: (ImageSize) -> RequestedPart, into buffer: ImageBuffer
    ) throws(ImageDataError) -> DecodedPart
}

extension ImageSource {
    package var isFloat: Bool { false }
    package var earlierFingerprint: UInt32? { nil }
    package var heldBytes: Int { 0 }
    package var form: String { "arrays" }
    package var notes: [String] { [] }
    package func willRead(_ images: inout [Int]) {}

    package func decode(
        at index: Int, request choose: (ImageSize) -> RequestedPart, into buffer: ImageBuffer
    ) throws(ImageDataError) -> DecodedPart {
        DecodedPart(try decode(at: index, part: { choose($0).box }, into: buffer))
    }

    /// The pixels of one image.
    package func decode(at index: Int, into buffer: ImageBuffer) throws(ImageDataError) -> PixelView {
        try decode(at: index, part: \.whole, into: buffer)
    }
}
