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
        let whole = try image.decoded()
        let buffer = ImageBuffer()
        for box in Self.boxes(in: image.size) {
            let expected = (box.top..<box.top + box.height).flatMap { row in
                let first = 3 * (row * image.size.width + box.left)
                return whole[first..<first + 3 * box.width]
            }
            #expect(try image.decoded(box, in: buffer) == expected, "\(box)")
        }
    }

    /// Parts that begin and end everywhere within blocks of 8 and 16 pixels.
    private static func boxes(in size: ImageSize) -> [CropBox] {
        var boxes: [CropBox] = []
        for step in 0..<40 {
            let (top, left) = (step % size.height, step * 7 % size.width)
            let height = 1 + step * 5 % (size.height - top)
            boxes.append(CropBox(top: top, left: left, height: height, width: 1 + step * 11 % (size.width - left)))
            boxes.append(CropBox(top: top, left: left, height: size.height - top, width: size.width - left))
        }
        return boxes + [size.whole]
    }

    @Test("one decoder decodes one image after another, also after a damaged one")
    func oneAfterAnother() throws {
        let buffer = ImageBuffer()
        let images = try ["grey.jpeg", "rgba.png", "progressive.jpg", "cmyk.JPG", "interlaced.png"].map(Photograph.init)
        for image in images + images.reversed() {
            let cut = Array(image.bytes[..<(image.bytes.count / 2)])
            #expect(throws: ImageCodecError.self) {
                try buffer.decoder.decode(cut.span, part: \.whole, into: buffer)
            }
            #expect(try image.decoded(in: buffer) == image.decoded())
        }
    }
}
