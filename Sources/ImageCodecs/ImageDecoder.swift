internal import CImageCodecs
internal import Tensors

/// Decodes JPEG and PNG images to red, green and blue, as Pillow's `convert("RGB")` does; keeps its memory from one image to
/// the next. One thread at a time.
@safe
package final class ImageDecoder {
    /// The number at which Pillow refuses an image as a decompression bomb.
    package static var mostPixels: Int { 178_956_970 }

    private var jpeg: OpaquePointer?
    private var png: OpaquePointer?
    private var pixmap: Pixmap?

    package init() {}

    deinit {
        unsafe umae_jpeg_destroy(jpeg)
        unsafe umae_png_destroy(png)
    }

    /// Decodes a part of an image, and of the rest no more than it takes.
    ///
    /// - Parameters:
    ///   - bytes: the content of a file.
    ///   - choose: the part, given the size of the image.
    ///   - buffer: what was decoded into it before is overwritten.
    /// - Returns: the part.
    package func decode(
        _ bytes: Span<UInt8>, _ decoding: Decoding = Decoding(), part choose: (ImageSize) -> CropBox,
        into buffer: ImageBuffer
    ) throws(ImageCodecError) -> PixelView {
        try decode(bytes, decoding, request: { RequestedPart(choose($0)) }, into: buffer).pixels
    }

    /// The same of a part that will be resized, so that it need not be decoded in full.
    package func decode(
        _ bytes: Span<UInt8>, _ decoding: Decoding, request choose: (ImageSize) -> RequestedPart,
        into buffer: ImageBuffer
    ) throws(ImageCodecError) -> DecodedPart {
        let format = try EncodedFormat(of: bytes)
        let orientation = decoding.exif == .apply ? Orientation(of: bytes, format) : .upright
        // The C functions keep the address from one to the next.
        let result = unsafe bytes.withUnsafeBufferPointer { bytes -> Result<DecodedPart, ImageCodecError> in
            do throws(ImageCodecError) {
                let size = unsafe try begin(bytes, format)
                guard size.pixels <= Self.mostPixels else { throw .tooLarge(size) }
                let request = choose(orientation.turned(size))
                let part = orientation.stored(request.box, in: size)
                precondition(part.lies(in: size))
                let eighths = decoding.fidelity == .fast && format == .jpeg ? request.eighths : 8
                if eighths < 8 { try scale(to: eighths) }
                let box = FractionalBox(part, eighths: eighths)
                let pixels = unsafe try finish(bytes, format, box.pixels, orientation, buffer)
                return .success(
                    DecodedPart(pixels, orientation.turned(box.within(box.pixels), in: box.pixels.size)))
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    private func begin(
        _ bytes: UnsafeBufferPointer<UInt8>, _ format: EncodedFormat
    ) throws(ImageCodecError) -> ImageSize {
        var size = umae_image_size()
        switch format {
        case .jpeg:
            if unsafe jpeg == nil { unsafe jpeg = umae_jpeg_create() }
            guard let jpeg = unsafe jpeg else { throw .outOfMemory }
            guard unsafe umae_jpeg_begin(jpeg, bytes.baseAddress, bytes.count, &size) == 0 else {
                throw unsafe .damaged(String(cString: umae_jpeg_message(jpeg)))
            }
        case .png:
            if unsafe png == nil { unsafe png = umae_png_create() }
            guard let png = unsafe png else { throw .outOfMemory }
            guard unsafe umae_png_begin(png, bytes.baseAddress, bytes.count, &size) == 0 else {
                throw unsafe .damaged(String(cString: umae_png_message(png)))
            }
        case .pixmap:
            let begun = unsafe try Pixmap(bytes)
            pixmap = begun
            return begun.size
        }
        return ImageSize(height: Int(size.height), width: Int(size.width))
    }

    private func scale(to eighths: Int) throws(ImageCodecError) {
        var size = umae_image_size()
        guard unsafe umae_jpeg_scale(jpeg, Int32(eighths), &size) == 0 else {
            throw unsafe .damaged(String(cString: umae_jpeg_message(jpeg)))
        }
    }

    /// Decodes these of the stored pixels and turns them.
    private func finish(
        _ bytes: UnsafeBufferPointer<UInt8>, _ format: EncodedFormat, _ box: CropBox, _ orientation: Orientation,
        _ buffer: ImageBuffer
    ) throws(ImageCodecError) -> PixelView {
        let rowBytes = box.width * Int(UMAE_PIXEL_BYTES)
        let count = box.height * rowBytes
        let target = orientation == .upright ? buffer.bytes(count) : buffer.stored(count)
        let part = umae_image_part(
            left: Int32(box.left), top: Int32(box.top), width: Int32(box.width), height: Int32(box.height))
        switch format {
        case .jpeg:
            let whole: Int32 = unsafe Self.isComplete(bytes) ? 0 : 1
            let code = unsafe umae_jpeg_decode(jpeg, part, whole, target.pointer, rowBytes)
            guard code == 0 else { throw unsafe .damaged(String(cString: umae_jpeg_message(jpeg))) }
        case .png:
            let code = unsafe umae_png_decode(png, part, target.pointer, rowBytes)
            guard code == 0 else { throw unsafe .damaged(String(cString: umae_png_message(png))) }
        case .pixmap: unsafe pixmap?.copy(box, of: bytes, to: target.pointer)
        }
        guard orientation != .upright else { return Self.view(target, box.size) }
        let turned = buffer.bytes(count)
        unsafe orientation.turn(target.pointer, box.size, into: turned.pointer)
        return Self.view(turned, orientation.turned(box.size))
    }

    /// Rows without gaps.
    private static func view(_ pixels: MatrixView<UInt8>, _ size: ImageSize) -> PixelView {
        unsafe PixelView(
            pixels.pointer, of: pixels.storage, size, channels: 3, layout: .rgbx,
            rowBytes: size.width * Int(UMAE_PIXEL_BYTES))
    }

    /// Whether the last marker of a JPEG file is there: one that was cut off has none, and must not pass for good because
    /// the part that is asked for is above the cut.
    private static func isComplete(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var end = bytes.count
        while end > 2, unsafe bytes[end - 1] == 0 { end -= 1 }
        return unsafe end >= 2 && bytes[end - 2] == 0xFF && bytes[end - 1] == 0xD9
    }
}
