package import ImageCodecs
package import ImageSources

/// Images of floats, each of two channels of 3 × 4 numbers that follow from its own; or, where they cancel, a second half
/// that is the first with opposite signs: the mean is nothing but rounding, which depends on the order of sums.
package struct FloatImages: ImageSource {
    package let count: Int
    package var name: String { "floats" }
    package var channels: Int { 2 }
    package var classCount: Int? { nil }
    package var uniformSize: ImageSize? { ImageSize(height: 3, width: 4) }
    package var isFloat: Bool { true }
    package var identity: DataIdentity { DataIdentity(count: count, 1) }

    private let cancels: Bool

    package init(count: Int, cancelling cancels: Bool = false) {
        self.count = count
        self.cancels = cancels
    }

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
            let isOpposite = cancels && index >= count / 2
            let values = Self.values(isOpposite ? index - count / 2 : index, channel: channel)
            for (place, value) in values.enumerated() {
                unsafe target[12 * channel + place] = isOpposite ? -value : value
            }
        }
        let size = ImageSize(height: 3, width: 4)
        return PixelView(floatPlanes: bytes, size, channels: 2).part(choose(size))
    }
}
