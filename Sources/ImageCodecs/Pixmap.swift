internal import CImageCodecs

/// An image that is not encoded at all: a PPM file of 8 bits, "P6", width, height, 255, and red, green and blue of each
/// pixel (https://netpbm.sourceforge.net/doc/ppm.html). Without comments, which nobody needs in a pack.
struct Pixmap {
    let size: ImageSize
    /// Where the pixels begin.
    private let start: Int

    private static var most: Int { 1 << 16 }

    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(ImageCodecError) {
        var place = 2
        func number() throws(ImageCodecError) -> Int {
            while place < bytes.count, unsafe Self.isSpace(bytes[place]) { place += 1 }
            var value = 0
            let first = place
            while place < bytes.count, value <= Self.most, case let digit = unsafe Int(bytes[place]) - 48,
                (0...9).contains(digit)
            {
                value = 10 * value + digit
                place += 1
            }
            guard place > first && value > 0 && value <= Self.most else { throw .damaged("its header has no size") }
            return value
        }
        let (width, height) = (try number(), try number())
        guard try number() == 255 else { throw .damaged("has more or less than 8 bits") }
        // One space ends the header.
        start = place + 1
        size = ImageSize(height: height, width: width)
        guard bytes.count - start == 3 * size.pixels else { throw .damaged("the data end too early, or too late") }
    }

    /// Copies a part of the pixels to rows of `target`, without gaps.
    func copy(_ box: CropBox, of bytes: UnsafeBufferPointer<UInt8>, to target: UnsafeMutablePointer<UInt8>) {
        precondition(box.lies(in: size))
        guard let base = bytes.baseAddress else { return }
        for row in 0..<box.height {
            let pixel = (box.top + row) * size.width + box.left
            unsafe umae_unpack_pixels(
                base + start + 3 * pixel, box.width, target + row * box.width * Int(UMAE_PIXEL_BYTES))
        }
    }

    /// The bytes of such a file.
    static func encode(_ pixels: PixelView) -> [UInt8] {
        let size = pixels.size
        let header = Array("P6\n\(size.width) \(size.height)\n255\n".utf8)
        let count = header.count + 3 * size.pixels
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { bytes, used in
            guard let base = bytes.baseAddress else { return }
            for (place, byte) in header.enumerated() { unsafe base[place] = byte }
            for row in 0..<size.height {
                unsafe umae_pack_pixels(
                    pixels.base + row * pixels.rowBytes, size.width, base + header.count + 3 * row * size.width)
            }
            used = count
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
}
