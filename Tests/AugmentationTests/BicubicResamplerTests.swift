import Augmentation
import ImageCodecs
import Foundation
import Tensors
import TestSupport
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

    @Test("crop and resize equal Pillow 13's in every byte, with one resampler for all images, planar or not")
    func pillowParity() throws {
        let fixtures = try fixtures()
        #expect(fixtures.count == 17)
        let resampler = BicubicResampler()
        // Twice, in opposite orders: nothing is left over from the image before.
        for fixture in fixtures + fixtures.reversed() {
            for layout in [PixelView.Layout.planar(planeBytes: 0), .rgbx] where layout != .rgbx || fixture.channels == 3
            {
                try check(fixture, layout == .rgbx, resampler)
            }
        }
    }

    private func check(_ fixture: Fixture, _ isRGBX: Bool, _ resampler: BicubicResampler) throws {
        let buffer = ImageBuffer()
        let size = fixture.imageSize
        let bytes = buffer.bytes(isRGBX ? 4 * size.pixels : fixture.image.count)
        for pixel in 0..<size.pixels {
            for channel in 0..<fixture.channels {
                let place = isRGBX ? 4 * pixel + channel : channel * size.pixels + pixel
                bytes[0, place] = fixture.image[channel * size.pixels + pixel]
            }
        }
        let image =
            isRGBX
            ? unsafe PixelView(
                bytes.pointer, of: bytes.storage, size, channels: 3, layout: .rgbx, rowBytes: 4 * size.width)
            : PixelView(planes: bytes, size, channels: fixture.channels)
        let result = resampler.resample(image.part(fixture.box), to: fixture.size).planes
        #expect(result.count == fixture.expected.count)
        let wrong = zip(result, fixture.expected).count { $0 != $1 }
        #expect(wrong == 0, "\(fixture.imageSize) \(fixture.box) to \(fixture.size), RGBX \(isRGBX)")
    }
}
