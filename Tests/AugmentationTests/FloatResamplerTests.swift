import Augmentation
import ImageCodecs
import Testing

@Suite("Bicubic resampling of floats")
struct FloatResamplerTests {
    private func floats(_ bytes: [UInt8]) -> [Float] {
        stride(from: 0, to: bytes.count, by: 4).map { start in
            Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
    }

    private func view(_ values: [Float], _ size: ImageSize, channels: Int, in buffer: ImageBuffer) -> PixelView {
        let (bytes, target) = unsafe buffer.floats(values.count)
        for (index, value) in values.enumerated() { unsafe target[index] = value }
        return PixelView(floatPlanes: bytes, size, channels: channels)
    }

    private func values(_ view: PixelView) -> [Float] {
        (0..<view.channels).flatMap { channel in
            (0..<view.size.height).flatMap { row in
                let line = unsafe view.floats(row: row, channel: channel)
                return (0..<view.size.width).map { unsafe line[$0] }
            }
        }
    }

    @Test("crop and resize equal Pillow 13's in mode F to rounding, with one resampler for all images")
    func pillowParity() throws {
        let records = try ResamplingRecord.all(in: "resampling-floats", elementBytes: 4)
        #expect(records.count == 7)
        let (buffer, resampler) = (ImageBuffer(), BicubicResampler())
        for record in records + records.reversed() {
            let image = view(floats(record.image), record.imageSize, channels: record.channels, in: buffer)
            let result = values(resampler.resample(image.part(record.box), to: record.size))
            let expected = floats(record.expected)
            #expect(result.count == expected.count)
            let largest = expected.reduce(0) { max($0, abs($1)) }
            let error = zip(result, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
            // Two sums of up to a hundred floats whose rounding errors are 6e-8 of them, and cancel.
            #expect(
                error <= 2e-6 * largest, "\(record.imageSize) \(record.box) to \(record.size): \(error) of \(largest)")
        }
    }

    @Test("floats that are bytes are resized as bytes are, but for their rounding")
    func asBytes() throws {
        let (buffer, resampler) = (ImageBuffer(), BicubicResampler())
        for record in try ResamplingRecord.all(in: "resampling", elementBytes: 1) {
            let image = view(record.image.map(Float.init), record.imageSize, channels: record.channels, in: buffer)
            let result = values(resampler.resample(image.part(record.box), to: record.size))
            // Bytes are rounded and cut off after each of two passes, each an error of a half that the next may enlarge.
            let inside = zip(result, record.expected).filter { $0.1 > 0 && $0.1 < 255 }
            let mean = inside.reduce(0) { $0 + abs($1.0 - Float($1.1)) } / Float(max(inside.count, 1))
            #expect(mean < 3, "\(record.imageSize) \(record.box) to \(record.size): \(mean)")
        }
    }

    @Test("an image of the size asked for is the one given")
    func unchanged() {
        let (buffer, resampler) = (ImageBuffer(), BicubicResampler())
        let image = view([1, -2.5, 3e9, 4], ImageSize(height: 2, width: 2), channels: 1, in: buffer)
        let result = values(resampler.resample(image, to: image.size))
        #expect(result == [1, -2.5, 3e9, 4])
    }
}
