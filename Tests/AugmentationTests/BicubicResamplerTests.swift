import Augmentation
import ImageCodecs
import Foundation
import Tensors
import TestSupport
import Testing

@Suite("Bicubic resampling")
struct BicubicResamplerTests {
    @Test("crop and resize equal Pillow 13's in every byte, with one resampler for all images, planar or not")
    func pillowParity() throws {
        let fixtures = try ResamplingRecord.all(in: "resampling", elementBytes: 1)
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

    private func check(_ fixture: ResamplingRecord, _ isRGBX: Bool, _ resampler: BicubicResampler) throws {
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
