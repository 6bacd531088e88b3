internal import ImageCodecs
internal import Tensors

extension ArrayLayout {
    /// The pixels of a part of an image: where they are, if they are planes of bytes; in the buffer otherwise, floats for
    /// all that is not bytes.
    ///
    /// - Parameters:
    ///   - image: its first pixel, in memory that stays as long as `owner` is there.
    /// - Returns: the pixels, and whether none is an infinity or not a number.
    func view(
        of image: UnsafePointer<UInt8>, in owner: AnyObject, part box: CropBox, into buffer: ImageBuffer
    ) -> (pixels: PixelView, isFinite: Bool) {
        precondition(box.lies(in: size))
        guard element == .uint8 else { return unsafe floats(image, box, buffer) }
        guard isInterleaved else {
            let whole = unsafe PixelView(
                image, of: owner, size, channels: channels, layout: .planar(planeBytes: size.pixels),
                rowBytes: size.width)
            return (whole.part(box), true)
        }
        return unsafe (channels == 3 ? rgbx(image, box, buffer) : planes(image, box, buffer), true)
    }

    /// Bytes from one pixel of a channel to the next, from one row to the next, and from one channel to the next.
    private var steps: (pixel: Int, row: Int, channel: Int) {
        let bytes = element.byteCount
        return isInterleaved
            ? (bytes * channels, bytes * channels * size.width, bytes)
            : (bytes, bytes * size.width, bytes * size.pixels)
    }

    private func floats(
        _ image: UnsafePointer<UInt8>, _ box: CropBox, _ buffer: ImageBuffer
    ) -> (PixelView, Bool) {
        var (bytes, target) = unsafe buffer.floats(channels * box.size.pixels)
        var isFinite = true
        for channel in 0..<channels {
            for row in box.top..<box.top + box.height {
                let source = unsafe image + row * steps.row + box.left * steps.pixel + channel * steps.channel
                let isLineFinite = unsafe element.convert(
                    source, step: steps.pixel, isBigEndian: isBigEndian, count: box.width, to: target)
                isFinite = isFinite && isLineFinite
                unsafe target += box.width
            }
        }
        return (PixelView(floatPlanes: bytes, box.size, channels: channels), isFinite)
    }

    /// Red, green and blue as decoders of photographs leave them.
    private func rgbx(_ image: UnsafePointer<UInt8>, _ box: CropBox, _ buffer: ImageBuffer) -> PixelView {
        let bytes = buffer.bytes(4 * box.size.pixels)
        let target = unsafe bytes.pointer
        for row in 0..<box.height {
            let source = unsafe image + (box.top + row) * steps.row + box.left * steps.pixel
            let line = unsafe target + 4 * row * box.width
            for column in 0..<box.width {
                for channel in 0..<3 { unsafe line[4 * column + channel] = source[3 * column + channel] }
                unsafe line[4 * column + 3] = 255
            }
        }
        return unsafe PixelView(
            target, of: bytes.storage, box.size, channels: 3, layout: .rgbx, rowBytes: 4 * box.width)
    }

    private func planes(_ image: UnsafePointer<UInt8>, _ box: CropBox, _ buffer: ImageBuffer) -> PixelView {
        let bytes = buffer.bytes(channels * box.size.pixels)
        var target = unsafe bytes.pointer
        for channel in 0..<channels {
            for row in box.top..<box.top + box.height {
                let source = unsafe image + row * steps.row + box.left * steps.pixel + channel
                for column in 0..<box.width { unsafe target[column] = source[column * steps.pixel] }
                unsafe target += box.width
            }
        }
        return PixelView(planes: bytes, box.size, channels: channels)
    }
}
