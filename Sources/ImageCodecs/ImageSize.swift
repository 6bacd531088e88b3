/// Height and width of an image, in pixels.
package struct ImageSize: Hashable, Sendable {
    package let height: Int
    package let width: Int

    package init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    package var pixels: Int { height * width }

    /// The size with a shorter side of so many pixels: that of torchvision's `Resize`, which cuts the longer side off to a whole
    /// number of them.
    package func withShorterSide(_ pixels: Int) -> ImageSize {
        height <= width
            ? ImageSize(height: pixels, width: pixels * width / height)
            : ImageSize(height: pixels * height / width, width: pixels)
    }

    /// All of an image of this size.
    package var whole: CropBox { CropBox(top: 0, left: 0, height: height, width: width) }
}

/// A part of an image, in pixels from its upper left corner.
package struct CropBox: Hashable, Sendable {
    package let top: Int
    package let left: Int
    package let height: Int
    package let width: Int

    package init(top: Int, left: Int, height: Int, width: Int) {
        self.top = top
        self.left = left
        self.height = height
        self.width = width
    }

    package var size: ImageSize { ImageSize(height: height, width: width) }

    /// Whether it is a part of an image of that size, of one pixel at least.
    package func lies(in size: ImageSize) -> Bool {
        top >= 0 && left >= 0 && height > 0 && width > 0 && top + height <= size.height && left + width <= size.width
    }
}
