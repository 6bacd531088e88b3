import ImageCodecs
import TestSupport
import Testing

@Suite("The orientation that EXIF notes")
struct OrientationTests {
    private static let applying = {
        var decoding = Decoding()
        decoding.exif = .apply
        return decoding
    }()

    @Test("images are turned as Pillow's exif_transpose does, and parts of them are parts of that")
    func turned() throws {
        // All eight of JPEG and of PNG, in either order of bytes, and two that have many blocks.
        #expect(Photograph.orientedNames.count == 18)
        let buffer = ImageBuffer()
        for name in Photograph.orientedNames {
            let image = try Photograph(name, ".turned")
            #expect(try image.decoded(nil, Self.applying, in: buffer) == image.rgb, "\(name)")
            for box in Photograph.boxes(in: image.size) {
                #expect(try image.decoded(box, Self.applying, in: buffer) == image.rgb(of: box), "\(name) \(box)")
            }
        }
    }

    @Test("images without one stay as they are", arguments: Photograph.names)
    func others(name: String) throws {
        guard !Photograph.orientedNames.contains(name) else { return }
        let image = try Photograph(name)
        #expect(try image.decoded(nil, Self.applying) == image.rgb)
    }

    /// A directory of one entry.
    private static func exif(
        tag: UInt8 = 0x12, type: UInt8 = 3, count: UInt8 = 1, value: UInt8 = 6, start: String = "MM\0*",
        directory: UInt8 = 8, entries: UInt8 = 1
    ) -> [UInt8] {
        let entry: [UInt8] = [1, tag, 0, type, 0, 0, 0, count] + (type == 4 ? [0, 0, 0, value] : [0, value, 0, 0])
        return Array(start.utf8) + [0, 0, 0, directory, 0, entries] + entry + [0, 0, 0, 0]
    }

    /// Whether an image with this in a segment APP1, or a chunk eXIf, is turned by 90 degrees.
    private func isTurned(_ content: [UInt8], before: [UInt8] = []) throws -> [Bool] {
        let jpeg = try Photograph("444.jpg")
        let segment = Array("Exif\0\0".utf8) + content
        let length = segment.count + 2
        let header: [UInt8] = [0xFF, 0xE1, UInt8(length >> 8), UInt8(length & 255)]
        let png = try Photograph("rgb.png")
        let chunk: [UInt8] = [0, 0, 0, UInt8(content.count)] + Array("eXIf".utf8) + content + [0, 0, 0, 0]
        // Behind the header's chunk; its checksum is of no interest.
        let files = [
            Array(jpeg.bytes[..<2]) + before + header + segment + Array(jpeg.bytes[2...]),
            Array(png.bytes[..<33]) + chunk + Array(png.bytes[33...]),
        ]
        return try zip(files, [jpeg, png]).map { file, image in
            let buffer = ImageBuffer()
            let size = try buffer.decoder.decode(file.span, Self.applying, part: \.whole, into: buffer).size
            #expect(Set([size.height, size.width]) == Set([image.size.height, image.size.width]))
            return size != image.size
        }
    }

    @Test("one that is written in an unusual way is understood")
    func unusual() throws {
        for content in [
            Self.exif(), Self.exif(type: 4), Self.exif(type: 8), Self.exif(start: "MM*\0"),
            Array("Exif\0\0".utf8) + Self.exif(),
        ] {
            #expect(try isTurned(content) == [true, true], "\(content)")
        }
        // Bytes of padding, and another segment before it.
        #expect(try isTurned(Self.exif(), before: [0xFF, 0xFF, 0xFF, 0xE2, 0, 4, 0xFF, 0xDA])[0])
    }

    @Test("one that cannot be understood counts for nothing")
    func damaged() throws {
        for content in [
            Self.exif(value: 0), Self.exif(value: 9), Self.exif(type: 2), Self.exif(count: 2), Self.exif(tag: 0x13),
            Self.exif(start: "MM\0+"), Self.exif(start: "XX\0*"), Self.exif(directory: 200), Self.exif(entries: 0),
            [], Array("MM".utf8), Array(Self.exif().prefix(17)),
        ] {
            #expect(try isTurned(content) == [false, false], "\(content)")
        }
    }
}
