import Glibc
import Host
import ImageCodecs
import TestSupport
import Testing

@Suite("Images are decoded as Pillow does")
struct ImageDecoderTests {
    @Test("every kind of JPEG and PNG, to the last bit", arguments: Photograph.names)
    func everyKind(name: String) throws {
        let image = try Photograph(name)
        let found = try image.decoded()
        #expect(found.count == image.rgb.count)
        let differences = zip(found, image.rgb).map { abs(Int($0) - Int($1)) }
        #expect(
            differences.max() == 0, "by \(differences.max() ?? 0), at \(differences.count { $0 > 0 }) of \(found.count)"
        )
    }

    @Test("a part is what it is in the whole image", arguments: Photograph.names)
    func parts(name: String) throws {
        let image = try Photograph(name)
        let buffer = ImageBuffer()
        for box in Photograph.boxes(in: image.size) {
            #expect(try image.decoded(box, in: buffer) == image.rgb(of: box), "\(box)")
        }
    }

    @Test("a small file that claims many pixels is refused before they take memory")
    func bombs() throws {
        var jpeg = try Photograph("444.jpg").bytes
        // The frame's marker, its length and a byte of precision come before height and width.
        let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        for place in [frame + 5, frame + 7] { (jpeg[place], jpeg[place + 1]) = (0xFF, 0xDC) }
        var header = Array("IHDR".utf8) + [0, 0, 0xFF, 0xDC, 0, 0, 0xFF, 0xDC, 8, 2, 0, 0, 0]
        var checksum = Checksum()
        unsafe checksum.add(header.span.bytes)
        header += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: checksum.value >> $0) }
        let png = try Photograph("rgb.png").bytes
        let buffer = ImageBuffer()
        let before = Self.peakBytes
        for bytes in [jpeg, Array(png[..<12]) + header + Array(png[33...])] {
            #expect(throws: ImageCodecError.tooLarge(ImageSize(height: 65_500, width: 65_500))) {
                try buffer.decoder.decode(bytes.span, part: \.whole, into: buffer)
            }
        }
        #expect(Self.peakBytes - before < 16 << 20)
    }

    private static var peakBytes: Int {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }

    @Test("one decoder decodes one image after another, also after a damaged one")
    func oneAfterAnother() throws {
        let buffer = ImageBuffer()
        let images = try ["grey.jpeg", "rgba.png", "progressive.jpg", "cmyk.JPG", "interlaced.png"].map {
            try Photograph($0)
        }
        for image in images + images.reversed() {
            let cut = Array(image.bytes[..<(image.bytes.count / 2)])
            #expect(throws: ImageCodecError.self) {
                try buffer.decoder.decode(cut.span, part: \.whole, into: buffer)
            }
            #expect(try image.decoded(in: buffer) == image.decoded())
        }
    }
}
