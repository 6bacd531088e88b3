internal import CVectorKernels
package import ImageCodecs
internal import Tensors

/// Resizes images of bytes as Pillow's `Image.resize(size, BICUBIC)` does, bit for bit; of floats see `FloatResampler`.
///
/// Keeps its memory from one image to the next. One thread at a time.
package final class BicubicResampler: TwoPassResampler {
    var horizontal = ResamplingWeights<Int32>()
    var vertical = ResamplingWeights<Int32>()
    let halfway = ImageBuffer()
    let result = ImageBuffer()
    private let floats = FloatResampler()

    package init() {}

    /// The image, or part of one, scaled to `size`: in the memory of the resampler until the next is.
    ///
    /// Each axis has a pass of its own, rounded to bytes; an axis whose length does not change has none. What is around a
    /// part has no influence.
    package func resample(_ image: PixelView, to size: ImageSize) -> PixelView {
        resample(DecodedPart(image), to: size)
    }

    /// The same of what lies in the box, as with Pillow's `resize(size, BICUBIC, box)`: pixels around it have influence.
    package func resample(_ part: DecodedPart, to size: ImageSize) -> PixelView {
        if case .floatPlanes = part.pixels.layout { return floats.passes(part.pixels, part.box, to: size) }
        return passes(part.pixels, part.box, to: size)
    }

    /// An image like another, of another size, in `buffer`; with the address of its pixels.
    private static func make(
        _ size: ImageSize, like image: PixelView, in buffer: ImageBuffer
    ) -> (view: PixelView, base: UnsafeMutablePointer<UInt8>) {
        let isPlanar = image.layout != .rgbx
        let rowBytes = isPlanar ? size.width : 4 * size.width
        let bytes = buffer.bytes(rowBytes * size.height * (isPlanar ? image.channels : 1))
        let layout: PixelView.Layout = isPlanar ? .planar(planeBytes: size.pixels) : .rgbx
        return unsafe (
            PixelView(
                bytes.pointer, of: bytes.storage, size, channels: image.channels, layout: layout, rowBytes: rowBytes),
            bytes.pointer
        )
    }

    /// The pass along each row.
    func resampleRows(_ image: PixelView, width: Int, into buffer: ImageBuffer) -> PixelView {
        let size = ImageSize(height: image.size.height, width: width)
        let (view, base) = unsafe Self.make(size, like: image, in: buffer)
        let axis = horizontal
        unsafe axis.weights.withUnsafeBufferPointer { weights in
            switch image.layout {
            case .rgbx:
                for row in 0..<size.height {
                    unsafe umae_resample_pixels(
                        image.base + row * image.rowBytes, weights.baseAddress, axis.first, axis.taps, axis.tapStride,
                        base + row * view.rowBytes, width)
                }
            case .planar(let planeBytes):
                for channel in 0..<image.channels {
                    unsafe Self.resampleRows(
                        image.base + channel * planeBytes, rowBytes: image.rowBytes, axis, weights, to: size,
                        base + channel * size.pixels)
                }
            case .floatPlanes: preconditionFailure("pixels are no bytes")
            }
        }
        return view
    }

    /// One channel of it.
    private static func resampleRows(
        _ plane: UnsafePointer<UInt8>, rowBytes: Int, _ axis: ResamplingWeights<Int32>,
        _ weights: UnsafeBufferPointer<Int32>, to size: ImageSize, _ target: UnsafeMutablePointer<UInt8>
    ) {
        for column in 0..<size.width {
            let first = Int(axis.first[column])
            let taps = Int(axis.taps[column])
            let base = column * axis.tapStride
            for row in 0..<size.height {
                let pixels = unsafe plane + row * rowBytes + first
                var sum = half
                for tap in 0..<taps { unsafe sum &+= Int32(pixels[tap]) &* weights[base + tap] }
                unsafe target[row * size.width + column] = byte(sum)
            }
        }
    }

    /// The pass along each column, a whole row at a time.
    func resampleColumns(_ image: PixelView, height: Int, into buffer: ImageBuffer) -> PixelView {
        let size = ImageSize(height: height, width: image.size.width)
        let (view, base) = unsafe Self.make(size, like: image, in: buffer)
        let axis = vertical
        var planes = 1
        var (oldPlane, newPlane) = (0, 0)
        if case .planar(let planeBytes) = image.layout {
            (planes, oldPlane, newPlane) = (image.channels, planeBytes, size.pixels)
        }
        unsafe axis.weights.withUnsafeBufferPointer { weights in
            for plane in 0..<planes {
                for row in 0..<height {
                    unsafe umae_resample_bytes(
                        image.base + plane * oldPlane + Int(axis.first[row]) * image.rowBytes, image.rowBytes,
                        weights.baseAddress?.advanced(by: row * axis.tapStride), Int(axis.taps[row]),
                        base + plane * newPlane + row * view.rowBytes, view.rowBytes)
                }
            }
        }
        return view
    }

    private static var half: Int32 { 1 << (Int32.fractionBits - 1) }

    private static func byte(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(sum >> Int32.fractionBits, 0), 255))
    }
}
