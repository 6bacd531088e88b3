internal import ImageCodecs
internal import Tensors

/// Operations that mix an image with a duller one: with the factor 0 they give that, with 1 they change nothing, and beyond
/// it they go the other way. Source: Pillow `ImageEnhance.py`.
extension ByteCanvas {
    /// The duller image is black.
    func enhanceBrightness(_ factor: Float) {
        for channel in 0..<channels { replace(channel) { Int(Self.blend(0, $0, factor)) } }
    }

    /// The duller image has everywhere the mean of the luminance.
    func enhanceContrast(_ factor: Float) {
        let mean = meanLuminance
        for channel in 0..<channels { replace(channel) { Int(Self.blend(mean, $0, factor)) } }
    }

    /// The duller image has no colours; nothing becomes of one that has none itself.
    func enhanceColor(_ factor: Float) {
        guard channels == 3 else { return }
        planes.withMutableElements { bytes in
            for pixel in 0..<size.pixels {
                let luminance = Self.luminance(bytes[pixel], bytes[pixel + size.pixels], bytes[pixel + 2 * size.pixels])
                for place in stride(from: pixel, to: bytes.count, by: size.pixels) {
                    bytes[place] = Self.blend(luminance, Int(bytes[place]), factor)
                }
            }
        }
    }

    /// The duller image is a mean over 3 × 3 pixels, of which that in the middle counts five times, but for pixels at the
    /// border. Source: Pillow `ImageFilter.SMOOTH`.
    func enhanceSharpness(_ factor: Float) {
        let (height, width) = (size.height, size.width)
        guard height >= 3 && width >= 3 else { return }
        redraw { _, old, new in
            for row in 0..<height {
                for column in 0..<width {
                    let place = row * width + column
                    let middle = Int(old[place])
                    guard row > 0 && row < height - 1 && column > 0 && column < width - 1 else {
                        new[place] = UInt8(middle)
                        continue
                    }
                    var sum = 4 * middle
                    for line in stride(from: place - width, through: place + width, by: width) {
                        sum += Int(old[line - 1]) + Int(old[line]) + Int(old[line + 1])
                    }
                    // Rounded: no thirteenth lies halfway between two whole numbers.
                    new[place] = Self.blend((2 * sum + 13) / 26, middle, factor)
                }
            }
        }
    }

    /// Rounded. Source: `ImageEnhance.Contrast`.
    private var meanLuminance: Int {
        var sum = 0
        planes.withElements { bytes in
            for pixel in 0..<size.pixels {
                sum +=
                    channels == 1
                    ? Int(bytes[pixel])
                    : Self.luminance(bytes[pixel], bytes[pixel + size.pixels], bytes[pixel + 2 * size.pixels])
            }
        }
        return Int(Double(sum) / Double(size.pixels) + 0.5)
    }

    /// ITU-R 601 in fixed point. Source: Pillow `src/libImaging/Convert.c`, `L24`.
    private static func luminance(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> Int {
        (Int(red) * 19595 + Int(green) * 38470 + Int(blue) * 7471 + 0x8000) >> 16
    }

    /// Source: Pillow `src/libImaging/Blend.c`: in floats, cut off and not rounded.
    private static func blend(_ dull: Int, _ byte: Int, _ factor: Float) -> UInt8 {
        UInt8(min(max(Float(dull) + factor * Float(byte - dull), 0), 255))
    }
}
