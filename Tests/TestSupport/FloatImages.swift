package import Datasets
package import ImageCodecs

/// Images of floats, each of two channels of 3 × 4 numbers that follow from its own.
package struct FloatImages: ImageSource {
    package let count: Int
    package var name: String { "floats" }
    package var channels: Int { 2 }
    package var classCount: Int? { nil }
    package var uniformSize: ImageSize? { ImageSize(height: 3, width: 4) }
    package var isFloat: Bool { true }
    package var identity: DataIdentity { DataIdentity(count: count, 1) }

    package init(count: Int) { self.count = count }

    package func label(at index: Int) -> Int { 0 }

    /// All pixels of one channel of an image.
    package static func values(_ index: Int, channel: Int) -> [Float] {
        (0..<12).map { pixel in
            let bits = (index &* 2_654_435_761 &+ pixel &* 40_503 &+ channel &* 97) & 0xFFFF
            return Float(bits) * (channel == 0 ? 1e-3 : 7) - Float(index)
        }
    }

    package func decode(
        at index: Int, part choose: (ImageSize) -> CropBox, into buffer: ImageBuffer
    ) throws(ImageDataError) -> PixelView {
        let (bytes, target) = unsafe buffer.floats(24)
        for channel in 0..<2 {
            for (place, value) in Self.values(index, channel: channel).enumerated() {
                unsafe target[12 * channel + place] = value
            }
        }
        let size = ImageSize(height: 3, width: 4)
        return PixelView(floatPlanes: bytes, size, channels: 2).part(choose(size))
    }
}
