import ImageCodecs
import TestSupport
import Testing

@Suite("Images that are scaled while they are decoded")
struct ScaledDecodingTests {
    private static func decoding(_ exif: Decoding.Exif = .ignore) -> Decoding {
        var decoding = Decoding()
        decoding.fidelity = .fast
        decoding.exif = exif
        return decoding
    }

    private static func rgb(_ view: PixelView) -> [UInt8] {
        let (planes, plane) = (view.planes, view.size.pixels)
        return (0..<plane).flatMap { pixel in (0..<3).map { planes[$0 * plane + pixel] } }
    }

    @Test("have the pixels of Pillow's draft, and so have parts of them", arguments: [4, 2, 1])
    func draft(eighths: Int) throws {
        #expect(Photograph.scaledNames.count == 14)
        let buffer = ImageBuffer()
        for name in Photograph.scaledNames {
            let (image, scaled) = (try Photograph(name), try Photograph(name, ".\(eighths)"))
            for box in Photograph.boxes(in: image.size) {
                let size = ImageSize(height: box.height * eighths / 8, width: box.width * eighths / 8)
                guard size.height > 0 && size.width > 0 else { continue }
                let part = try buffer.decoder.decode(
                    image.bytes.span, Self.decoding(), request: { _ in RequestedPart(box, resizedTo: size) },
                    into: buffer)
                let (top, left) = (box.top * eighths / 8, box.left * eighths / 8)
                let expected = scaled.rgb(
                    of: CropBox(top: top, left: left, height: part.pixels.size.height, width: part.pixels.size.width))
                #expect(Self.rgb(part.pixels) == expected, "\(name) \(box)")
                let scale = Double(eighths) / 8
                #expect(
                    part.box
                        == FractionalBox(
                            top: scale * Double(box.top) - Double(top), left: scale * Double(box.left) - Double(left),
                            height: scale * Double(box.height), width: scale * Double(box.width)))
                #expect(part.box.top + part.box.height <= Double(part.pixels.size.height))
                #expect(part.box.left + part.box.width <= Double(part.pixels.size.width))
            }
        }
    }

    @Test("are scaled no further than to what they will be resized to, and turned afterwards")
    func turned() throws {
        for (name, exif) in [("large-exif-8.jpg", Decoding.Exif.apply), ("large-exif-8.jpg", .ignore)] {
            let image = try Photograph(name, exif == .apply ? ".turned" : "")
            let buffer = ImageBuffer()
            func size(_ height: Int, _ width: Int, _ box: CropBox? = nil) throws -> DecodedPart {
                try buffer.decoder.decode(
                    image.bytes.span, Self.decoding(exif),
                    request: { RequestedPart(box ?? $0.whole, resizedTo: ImageSize(height: height, width: width)) },
                    into: buffer)
            }
            let (height, width) = (image.size.height, image.size.width)
            #expect(try size(height, width).pixels.planes.count == image.rgb.count)
            // One pixel more than a half.
            #expect(try size(height / 2 + 1, 8).pixels.size == image.size)
            #expect(try size(8, width / 2 + 1).pixels.size == image.size)
            #expect(try size(height / 2, width / 2).pixels.size.height == (height + 1) / 2)
            #expect(try size(height / 4, width / 4).pixels.size.height == (height + 3) / 4)
            #expect(try size(1, 1).pixels.size.width == (width + 7) / 8)
            let box = CropBox(top: 1, left: 3, height: height - 7, width: width - 4)
            let part = try size((height - 7) / 2, (width - 4) / 2, box)
            #expect(part.box.height == Double(height - 7) / 2 && part.box.width == Double(width - 4) / 2)
            let whole = try image.decoded(box, Self.decoding(exif))
            // Means of four pixels are near the scaled ones where the image is smooth.
            let (planes, plane) = (part.pixels.planes, part.pixels.size.pixels)
            var sum = 0
            for y in 1..<20 {
                for x in 1..<20 {
                    let pixel = (2 * y * box.width + 2 * x) * 3
                    sum += abs(Int(planes[y * part.pixels.size.width + x]) - Int(whole[pixel]))
                }
            }
            #expect(plane > 400 && sum / (19 * 19) < 16, "\(name): \(sum / (19 * 19))")
        }
    }

    @Test("are turned with the edges of the part", arguments: [6, 8])
    func turnedEdges(orientation: Int) throws {
        let image = try Photograph("large-exif-\(orientation).jpg")
        let buffer = ImageBuffer()
        let size = ImageSize(height: 11, width: 11)
        func part(_ exif: Decoding.Exif, _ box: CropBox) throws -> DecodedPart {
            try buffer.decoder.decode(
                image.bytes.span, Self.decoding(exif), request: { _ in RequestedPart(box, resizedTo: size) },
                into: buffer)
        }
        for step in 0..<8 {
            let stored = CropBox(top: 3 + step, left: 5 - step / 2, height: 90 - 2 * step, width: 100 + step)
            let isClockwise = orientation == 6
            let (lower, right) = (
                image.size.height - stored.top - stored.height, image.size.width - stored.left - stored.width
            )
            let box = CropBox(
                top: isClockwise ? stored.left : right, left: isClockwise ? lower : stored.top, height: stored.width,
                width: stored.height)
            let before = try part(.ignore, stored)
            let (pixels, edges) = (before.pixels.size, before.box)
            let after = try part(.apply, box)
            #expect(after.pixels.size == ImageSize(height: pixels.width, width: pixels.height))
            let below = Double(pixels.height) - edges.top - edges.height
            let beside = Double(pixels.width) - edges.left - edges.width
            #expect(
                after.box
                    == FractionalBox(
                        top: isClockwise ? edges.left : beside, left: isClockwise ? below : edges.top,
                        height: edges.width, width: edges.height))
        }
    }

    @Test("are not PNG images, nor any where every pixel is asked for")
    func others() throws {
        let image = try Photograph("rgb.png")
        let buffer = ImageBuffer()
        let part = try buffer.decoder.decode(
            image.bytes.span, Self.decoding(),
            request: { RequestedPart($0.whole, resizedTo: ImageSize(height: 1, width: 1)) }, into: buffer)
        #expect(Self.rgb(part.pixels) == image.rgb)
        let large = try Photograph("large.jpg")
        #expect(try large.decoded(nil, Self.decoding()) == large.rgb)
    }
}
