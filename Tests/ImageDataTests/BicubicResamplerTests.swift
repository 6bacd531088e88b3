import Foundation
import ImageData
import Testing

@Suite("Bicubic resampling")
struct BicubicResamplerTests {
    struct Fixture {
        let channels: Int
        let imageSize: ImageSize
        let box: CropBox
        let size: ImageSize
        let image: [UInt8]
        let expected: [UInt8]
    }

    /// The records of scripts/fixtures/resampling.py.
    private func fixtures() throws -> [Fixture] {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/resampling", withExtension: "bin"))
        let bytes = [UInt8](try Data(contentsOf: url))
        var position = 0
        func take(_ count: Int) -> [UInt8] {
            defer { position += count }
            return Array(bytes[position..<position + count])
        }
        var fixtures: [Fixture] = []
        while position < bytes.count {
            let header = (0..<9).map { _ in take(4).reversed().reduce(0) { $0 << 8 | Int($1) } }
            let imageSize = ImageSize(height: header[1], width: header[2])
            let size = ImageSize(height: header[7], width: header[8])
            let image = take(header[0] * imageSize.pixels)
            let expected = take(header[0] * size.pixels)
            fixtures.append(
                Fixture(
                    channels: header[0], imageSize: imageSize,
                    box: CropBox(top: header[3], left: header[4], height: header[5], width: header[6]), size: size,
                    image: image, expected: expected))
        }
        return fixtures
    }

    @Test("crop and resize equal Pillow 13's in every byte, with one resampler for all images")
    func pillowParity() throws {
        let fixtures = try fixtures()
        #expect(fixtures.count == 17)
        var resampler = BicubicResampler()
        // Twice, in opposite orders: nothing is left over from the image before.
        for fixture in fixtures + fixtures.reversed() {
            var result = [UInt8](repeating: 77, count: fixture.expected.count)
            var span = result.mutableSpan
            resampler.resample(
                fixture.image.span, channels: fixture.channels, imageSize: fixture.imageSize, box: fixture.box,
                to: fixture.size, into: &span)
            let wrong = zip(result, fixture.expected).count { $0 != $1 }
            #expect(wrong == 0, "\(fixture.imageSize) \(fixture.box) to \(fixture.size)")
        }
    }
}
