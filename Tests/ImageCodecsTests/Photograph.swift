import Foundation
import ImageCodecs
import TestSupport
import Testing

/// An image of scripts/fixtures/images.py, and what Pillow makes of it.
struct Photograph: CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let size: ImageSize
    /// Pixel by pixel, red, green and blue.
    let rgb: [UInt8]

    var testDescription: String { name }

    /// - Parameter form: what is expected of it: "", ".turned", or ".4" for four eighths of its size.
    init(_ name: String, _ form: String = "") throws {
        let path = try #require(Bundle.module.path(forResource: "Fixtures/\(name)", ofType: nil))
        let expected = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + form + ".rgb")))
        let header = (0..<2).map { word in expected[4 * word..<4 * word + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        self.name = name
        bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        size = ImageSize(height: header[0], width: header[1])
        rgb = Array(expected[8...])
    }

    static let names = files.filter { !$0.hasSuffix(".rgb") }
    /// Of those whose orientation EXIF notes.
    static let orientedNames = names.filter { files.contains($0 + ".turned.rgb") }

    /// Of those that Pillow has scaled.
    static let scaledNames = names.filter { files.contains($0 + ".4.rgb") }

    private static let files: [String] = {
        let folder = Bundle.module.path(forResource: "Fixtures", ofType: nil) ?? ""
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }()

    /// A part of the image, decoded; red, green and blue pixel by pixel.
    func decoded(
        _ part: CropBox? = nil, _ decoding: Decoding = Decoding(), in buffer: ImageBuffer = ImageBuffer()
    ) throws -> [UInt8] {
        let view = try buffer.decoder.decode(bytes.span, decoding, part: { part ?? $0.whole }, into: buffer)
        #expect(view.size == (part?.size ?? size))
        let (planes, plane) = (view.planes, view.size.pixels)
        return (0..<plane).flatMap { pixel in (0..<3).map { planes[$0 * plane + pixel] } }
    }

    /// A part of what is expected.
    func rgb(of box: CropBox) -> [UInt8] {
        (box.top..<box.top + box.height).flatMap { row in
            let first = 3 * (row * size.width + box.left)
            return rgb[first..<first + 3 * box.width]
        }
    }

    /// Parts that begin and end everywhere within blocks of 8 and 16 pixels.
    static func boxes(in size: ImageSize) -> [CropBox] {
        var boxes: [CropBox] = []
        for step in 0..<40 {
            let (top, left) = (step % size.height, step * 7 % size.width)
            let height = 1 + step * 5 % (size.height - top)
            boxes.append(CropBox(top: top, left: left, height: height, width: 1 + step * 11 % (size.width - left)))
            boxes.append(CropBox(top: top, left: left, height: size.height - top, width: size.width - left))
        }
        return boxes + [size.whole]
    }
}
