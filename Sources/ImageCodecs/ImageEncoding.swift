internal import CImageCodecs
internal import Glibc

/// How pixels are encoded.
package enum ImageEncoding: Hashable, Sendable {
    /// Baseline, chroma at full resolution.
    ///
    /// - Parameter quality: 1 … 100, as Pillow counts it.
    case jpeg(quality: Int)
    /// Without loss.
    case png
    /// Not at all: the fastest to read, and the largest.
    case raw

    /// - Parameter pixels: in the layout that images are decoded to.
    package func encode(_ pixels: PixelView) throws(ImageCodecError) -> [UInt8] {
        precondition(pixels.layout == .rgbx)
        let size = umae_image_size(width: Int32(pixels.size.width), height: Int32(pixels.size.height))
        var bytes: UnsafeMutablePointer<UInt8>?
        var message = [CChar](repeating: 0, count: Int(UMAE_IMAGE_MESSAGE))
        if self == .raw { return Pixmap.encode(pixels) }
        let count = unsafe message.withUnsafeMutableBufferPointer { message in
            switch self {
            case .jpeg(let quality):
                unsafe umae_jpeg_encode(
                    pixels.base, pixels.rowBytes, size, Int32(quality), &bytes, message.baseAddress)
            case .png: unsafe umae_png_encode(pixels.base, pixels.rowBytes, size, &bytes, message.baseAddress)
            case .raw: preconditionFailure("nothing is encoded")
            }
        }
        guard count >= 0, let bytes = unsafe bytes else {
            let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw .notEncoded(String(decoding: text, as: UTF8.self))
        }
        defer { unsafe free(bytes) }
        return unsafe Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
    }
}
