import ImageCodecs
import TestSupport
import Testing

@Suite("Images that are not encoded")
struct PixmapTests {
    private func decoded(_ header: String, pixels: Int) throws -> [UInt8] {
        let bytes = Array(header.utf8) + (0..<pixels).map { UInt8(truncatingIfNeeded: 7 &* $0 &+ 3) }
        return try ImageDecoder().decode(bytes.span, part: \.whole, into: ImageBuffer()).planes
    }

    @Test("spaces and lines divide a header, and the pixels begin behind the one that ends it")
    func headers() throws {
        // The first pixel is a line's end itself.
        let bytes = Array("P6\n2\t1\r\n255\n".utf8) + [10, 1, 2, 3, 4, 5]
        let planes = try ImageDecoder().decode(bytes.span, part: \.whole, into: ImageBuffer()).planes
        #expect(planes == [10, 3, 1, 4, 2, 5])
        #expect(try decoded("P6 3 2 255 ", pixels: 18) == decoded("P6\n3 2\n255\n", pixels: 18))
    }

    @Test(
        "what is none is refused",
        arguments: [
            ("P6", 0), ("P6\n", 0), ("P6\n2", 0), ("P6\n2 1", 0), ("P6\n2 1 255", 0), ("P6\n2 1\n255\n", 5),
            ("P6\n2 1\n255\n", 7), ("P6\n0 1\n255\n", 0), ("P6\n-2 1\n255\n", 6), ("P6\n2 1\n65535\n", 12),
            ("P6\n2 1\n1\n", 6), ("P6\n# words\n2 1\n255\n", 6), ("P6\n99999999999999999999 1\n255\n", 6),
            ("P6\n65536 65536\n255\n", 6), ("P5\n2 1\n255\n", 2),
        ])
    func refused(header: String, pixels: Int) {
        #expect(throws: ImageCodecError.self) { try decoded(header, pixels: pixels) }
    }
}
