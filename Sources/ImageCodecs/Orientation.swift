internal import CImageCodecs

/// How stored pixels are turned to be seen upright. The number is that of EXIF's tag Orientation; CIPA DC-008 (Exif 2.32),
/// 4.6.4.
enum Orientation: Int, CaseIterable {
    case upright = 1
    case mirrored, upsideDown, flipped, transposed, clockwise, transverse, counterclockwise

    /// Whether rows become columns, after the flips.
    private var transposes: Bool { rawValue >= 5 }
    /// Whether the last stored row comes first.
    private var flipsRows: Bool { [.upsideDown, .flipped, .clockwise, .transverse].contains(self) }
    /// Whether the last stored column comes first.
    private var flipsColumns: Bool { [.mirrored, .upsideDown, .transverse, .counterclockwise].contains(self) }

    /// The size that an image has when it is turned.
    func turned(_ stored: ImageSize) -> ImageSize {
        transposes ? ImageSize(height: stored.width, width: stored.height) : stored
    }

    /// Where a part of the turned image is stored, in an image of `size`.
    func stored(_ box: CropBox, in size: ImageSize) -> CropBox {
        let (top, left) = transposes ? (box.left, box.top) : (box.top, box.left)
        let (height, width) = transposes ? (box.width, box.height) : (box.height, box.width)
        return CropBox(
            top: flipsRows ? size.height - top - height : top, left: flipsColumns ? size.width - left - width : left,
            height: height, width: width)
    }

    /// Where a part of the stored pixels, of `size`, is when they are turned.
    func turned(_ box: FractionalBox, in size: ImageSize) -> FractionalBox {
        let top = flipsRows ? Double(size.height) - box.top - box.height : box.top
        let left = flipsColumns ? Double(size.width) - box.left - box.width : box.left
        return transposes
            ? FractionalBox(top: left, left: top, height: box.width, width: box.height)
            : FractionalBox(top: top, left: left, height: box.height, width: box.width)
    }

    /// Turns pixels of four bytes whose rows follow one another without gaps.
    ///
    /// - Parameters:
    ///   - stored: of `size`.
    ///   - turned: other memory.
    func turn(_ stored: UnsafePointer<UInt8>, _ size: ImageSize, into turned: UnsafeMutablePointer<UInt8>) {
        let bytes = Int(UMAE_PIXEL_BYTES)
        let width = self.turned(size).width
        // From one stored pixel to the next, and from one stored row to the next, in the turned image.
        let column = (flipsColumns ? -1 : 1) * (transposes ? width : 1) * bytes
        let row = (flipsRows ? -1 : 1) * (transposes ? 1 : width) * bytes
        let first = (flipsColumns ? -column * (size.width - 1) : 0) + (flipsRows ? -row * (size.height - 1) : 0)
        let source = unsafe UnsafeRawPointer(stored)
        let target = UnsafeMutableRawPointer(turned)
        for y in 0..<size.height {
            let line = unsafe source.advanced(by: y * size.width * bytes)
            var place = first + y * row
            for x in 0..<size.width {
                unsafe target.storeBytes(
                    of: line.loadUnaligned(fromByteOffset: x * bytes, as: UInt32.self), toByteOffset: place,
                    as: UInt32.self)
                place += column
            }
        }
    }
}
