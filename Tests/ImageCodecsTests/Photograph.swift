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

    init(_ name: String) throws {
        let path = try #require(Bundle.module.path(forResource: "Fixtures/\(name)", ofType: nil))
        let expected = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + ".rgb")))
        let header = (0..<2).map { word in expected[4 * word..<4 * word + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        self.name = name
        bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        size = ImageSize(height: header[0], width: header[1])
        rgb = Array(expected[8...])
    }

    static let names: [String] = {
        let folder = Bundle.module.path(forResource: "Fixtures", ofType: nil) ?? ""
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { !$0.hasSuffix(".rgb") }.sorted()
    }()

    /// A part of the image, decoded; red, green and blue pixel by pixel.
    func decoded(_ part: CropBox? = nil, in buffer: ImageBuffer = ImageBuffer()) throws -> [UInt8] {
        let view = try buffer.decoder.decode(bytes.span, part: { part ?? $0.whole }, into: buffer)
        #expect(view.size == (part?.size ?? size))
        let (planes, plane) = (view.planes, view.size.pixels)
        return (0..<plane).flatMap { pixel in (0..<3).map { planes[$0 * plane + pixel] } }
    }
}
