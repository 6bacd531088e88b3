/// Why bytes cannot be decoded to an image. `description` says what is wrong, and stands after the name of a file.
package enum ImageCodecError: Error, Equatable, CustomStringConvertible {
    case empty
    /// Neither a JPEG nor a PNG file, but one of these.
    case otherFormat(String)
    case unknownFormat
    /// What libjpeg or libpng say.
    case damaged(String)
    case tooLarge(ImageSize)
    case outOfMemory
    /// What libjpeg or libpng say of pixels.
    case notEncoded(String)

    package var description: String {
        switch self {
        case .empty: "is empty"
        case .otherFormat(let name): "is \(name), neither JPEG nor PNG"
        case .unknownFormat: "is neither JPEG nor PNG"
        case .damaged(let reason): "is damaged: \(reason)"
        case .tooLarge(let size):
            "declares \(size.width) × \(size.height) pixels, more than the \(ImageDecoder.mostPixels) that are decoded"
        case .outOfMemory: "cannot be decoded: there is no memory left"
        case .notEncoded(let reason): "cannot be encoded: \(reason)"
        }
    }
}
