internal import ImageCodecs

/// Resizes images of floats as Pillow's `Image.resize(size, BICUBIC)` does those of mode F, but for rounding: it adds up in
/// floats, and Pillow in doubles.
///
/// Nothing is cut off: values may leave the range of the image where the filter overshoots. Keeps its memory from one image
/// to the next. One thread at a time.
final class FloatResampler: TwoPassResampler {
    var horizontal = ResamplingWeights<Float>()
    var vertical = ResamplingWeights<Float>()
    let halfway = ImageBuffer()
    let result = ImageBuffer()

    /// The pass along each row.
    func resampleRows(_ image: PixelView, width: Int, into buffer: ImageBuffer) -> PixelView {
        let size = ImageSize(height: image.size.height, width: width)
        var (bytes, target) = unsafe buffer.floats(image.channels * size.pixels)
        let view = PixelView(floatPlanes: bytes, size, channels: image.channels)
        let axis = horizontal
        unsafe axis.weights.withUnsafeBufferPointer { weights in
            for channel in 0..<image.channels {
                for row in 0..<size.height {
                    let source = unsafe image.floats(row: row, channel: channel)
                    for column in 0..<width {
                        let first = Int(axis.first[column])
                        let base = column * axis.tapStride
                        var sum: Float = 0
                        for tap in 0..<Int(axis.taps[column]) {
                            unsafe sum += source[first + tap] * weights[base + tap]
                        }
                        unsafe target[column] = sum
                    }
                    unsafe target += width
                }
            }
        }
        return view
    }

    /// The pass along each column, a whole row at a time.
    func resampleColumns(_ image: PixelView, height: Int, into buffer: ImageBuffer) -> PixelView {
        let size = ImageSize(height: height, width: image.size.width)
        var (bytes, target) = unsafe buffer.floats(image.channels * size.pixels)
        let view = PixelView(floatPlanes: bytes, size, channels: image.channels)
        let axis = vertical
        unsafe axis.weights.withUnsafeBufferPointer { weights in
            for channel in 0..<image.channels {
                for row in 0..<height {
                    unsafe target.update(repeating: 0, count: size.width)
                    for tap in 0..<Int(axis.taps[row]) {
                        let source = unsafe image.floats(row: Int(axis.first[row]) + tap, channel: channel)
                        let weight = unsafe weights[row * axis.tapStride + tap]
                        for column in 0..<size.width { unsafe target[column] += source[column] * weight }
                    }
                    unsafe target += size.width
                }
            }
        }
        return view
    }
}
