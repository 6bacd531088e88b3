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
