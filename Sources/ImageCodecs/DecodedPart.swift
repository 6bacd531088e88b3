/// What is wanted of an image.
package struct RequestedPart: Hashable, Sendable {
    package let box: CropBox
    /// What it will be resized to; nil where every pixel is wanted.
    package let size: ImageSize?

    package init(_ box: CropBox, resizedTo size: ImageSize? = nil) {
        self.box = box
        self.size = size
    }

    /// The smallest scale, in eighths, at which no direction has fewer pixels than it will be resized to. Of all scales
    /// these take libjpeg-turbo less time than the whole image: the others have no vector code there.
    var eighths: Int {
        guard let size else { return 8 }
        // How many times as long as it will be, the shorter of both sides.
        let excess = min(box.width / size.width, box.height / size.height)
        return excess >= 8 ? 1 : excess >= 4 ? 2 : excess >= 2 ? 4 : 8
    }
}

/// A part of an image, decoded. If it was scaled meanwhile, its edges need not lie between pixels.
package struct DecodedPart {
    package let pixels: PixelView
    package let box: FractionalBox

    package init(_ pixels: PixelView, _ box: FractionalBox) {
        self.pixels = pixels
        self.box = box
    }

    /// All of the pixels.
    package init(_ pixels: PixelView) { self.init(pixels, FractionalBox(pixels.size.whole)) }
}

/// A part of an image, in pixels and parts of them from its upper left corner.
package struct FractionalBox: Hashable, Sendable {
    package let top: Double
    package let left: Double
    package let height: Double
    package let width: Double

    package init(top: Double, left: Double, height: Double, width: Double) {
        self.top = top
        self.left = left
        self.height = height
        self.width = width
    }

    package init(_ box: CropBox) {
        self.init(
            top: Double(box.top), left: Double(box.left), height: Double(box.height), width: Double(box.width))
    }

    /// The same part of an image that was scaled to so many eighths.
    init(_ box: CropBox, eighths: Int) {
        let scale = Double(eighths) / 8
        self.init(
            top: scale * Double(box.top), left: scale * Double(box.left), height: scale * Double(box.height),
            width: scale * Double(box.width))
    }

    /// All pixels of which the part has something.
    var pixels: CropBox {
        let (top, left) = (Int(top.rounded(.down)), Int(left.rounded(.down)))
        return CropBox(
            top: top, left: left, height: Int((self.top + height).rounded(.up)) - top,
            width: Int((self.left + width).rounded(.up)) - left)
    }

    /// The same part of what begins at those pixels.
    func within(_ pixels: CropBox) -> FractionalBox {
        FractionalBox(top: top - Double(pixels.top), left: left - Double(pixels.left), height: height, width: width)
    }
}
