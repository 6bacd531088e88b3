import Foundation
import ImageCodecs
import Testing

/// An image that Pillow has cropped and resized, written by scripts/fixtures/resampling.py.
struct ResamplingRecord {
    let channels: Int
    let imageSize: ImageSize
    let box: CropBox
    let size: ImageSize
    let image: [UInt8]
    let expected: [UInt8]

    static func all(in name: String, elementBytes: Int) throws -> [ResamplingRecord] {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/\(name)", withExtension: "bin"))
        let bytes = [UInt8](try Data(contentsOf: url))
        var position = 0
        func take(_ count: Int) -> [UInt8] {
            defer { position += count }
            return Array(bytes[position..<position + count])
        }
        var records: [ResamplingRecord] = []
        while position < bytes.count {
            let header = (0..<9).map { _ in take(4).reversed().reduce(0) { $0 << 8 | Int($1) } }
            let imageSize = ImageSize(height: header[1], width: header[2])
            let size = ImageSize(height: header[7], width: header[8])
            let image = take(header[0] * imageSize.pixels * elementBytes)
            let expected = take(header[0] * size.pixels * elementBytes)
            records.append(
                ResamplingRecord(
                    channels: header[0], imageSize: imageSize,
                    box: CropBox(top: header[3], left: header[4], height: header[5], width: header[6]), size: size,
                    image: image, expected: expected))
        }
        return records
    }
}
