internal import ImageCodecs

/// How the images of an array lie in its bytes, one after another.
struct ArrayLayout: Equatable {
    let size: ImageSize
    let channels: Int
    /// Bytes before the pixels of each image.
    var prefixBytes = 0

    var imageBytes: Int { channels * size.pixels }
    /// From one image to the next.
    var recordBytes: Int { prefixBytes + imageBytes }

    /// The pixels of a part of an image.
    ///
    /// - Parameter image: its first pixel, in memory that stays as long as the view is used.
    func view(of image: UnsafePointer<UInt8>, part box: CropBox) -> PixelView {
        unsafe PixelView(
            image, size, channels: channels, layout: .planar(planeBytes: size.pixels), rowBytes: size.width
        ).part(box)
    }
}
