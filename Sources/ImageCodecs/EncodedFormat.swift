/// How an image is encoded, by its first bytes, whatever its name says.
package enum EncodedFormat: Equatable, Sendable {
    case jpeg, png
    /// Pixels as they are; see `Pixmap`.
    case pixmap

    package init(of bytes: Span<UInt8>) throws(ImageCodecError) {
        guard bytes.count > 0 else { throw .empty }
        if Self.matches(bytes, [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if Self.matches(bytes, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if Self.matches(bytes, Array("P6".utf8)) {
            self = .pixmap
        } else if let other = Self.others.first(where: { Self.matches(bytes, Array($0.start.utf8), at: $0.offset) }) {
            throw .otherFormat(other.name)
        } else {
            throw .unknownFormat
        }
    }

    private static var others: [(start: String, offset: Int, name: String)] {
        [
            ("GIF8", 0, "a GIF image"), ("WEBP", 8, "a WebP image"), ("BM", 0, "a BMP image"),
            ("II*\0", 0, "a TIFF image"), ("MM\0*", 0, "a TIFF image"), ("ftyp", 4, "a HEIF or AVIF image"),
            ("<", 0, "a page of HTML or XML"), ("version https://git-lfs", 0, "a pointer of Git LFS"),
        ]
    }

    private static func matches(_ bytes: Span<UInt8>, _ start: [UInt8], at offset: Int = 0) -> Bool {
        bytes.count >= offset + start.count && start.indices.allSatisfy { bytes[offset + $0] == start[$0] }
    }
}
