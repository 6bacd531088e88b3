import ImageCodecs
import TestSupport
import Testing

@Suite("Encoding of images")
struct ImageEncodingTests {
    /// A part of an image whose rows are longer than it is wide.
    private func image(_ buffer: ImageBuffer) throws -> PixelView {
        let (width, height) = (37, 23)
        // A smooth image, as photographs are.
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width { pixels += [UInt8(5 * x), UInt8(9 * y), UInt8(3 * (x + y))] }
        }
        let bytes = pngBytes(width: width, height: height, pixels)
        return try buffer.decoder.decode(bytes.span, part: \.whole, into: buffer).part(
            CropBox(top: 2, left: 3, height: 20, width: 31))
    }

    @Test("PNG keeps every pixel")
    func png() throws {
        let buffer = ImageBuffer()
        let pixels = try image(buffer)
        let bytes = try ImageEncoding.png.encode(pixels)
        let other = ImageBuffer()
        let decoded = try other.decoder.decode(bytes.span, part: \.whole, into: other)
        #expect(decoded.size == pixels.size && decoded.planes == pixels.planes)
    }

    @Test("JPEG of high quality is close to the pixels, and less so the lower it is")
    func jpeg() throws {
        let buffer = ImageBuffer()
        let pixels = try image(buffer)
        var errors: [Int] = []
        for quality in [100, 95, 10] {
            let bytes = try ImageEncoding.jpeg(quality: quality).encode(pixels)
            let other = ImageBuffer()
            let decoded = try other.decoder.decode(bytes.span, part: \.whole, into: other)
            #expect(decoded.size == pixels.size)
            errors.append(zip(decoded.planes, pixels.planes).map { abs(Int($0) - Int($1)) }.max() ?? 255)
        }
        #expect(errors[0] <= 4 && errors[1] <= 8 && errors[2] > 8, "\(errors)")
    }
}
