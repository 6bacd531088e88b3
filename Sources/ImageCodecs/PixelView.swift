package import Tensors

/// The pixels of an image, or of a part of one, where they lie: in an `ImageBuffer` until another image is decoded into
/// it, or in the memory of a data set, which it keeps alive.
@safe
package struct PixelView {
    package enum Layout: Hashable, Sendable {
        /// One channel after the other, their first pixels so many bytes apart.
        case planar(planeBytes: Int)
        /// Red, green, blue and a byte without meaning, pixel by pixel.
        case rgbx
        /// As `planar`, of 32-bit floats: pixels that have more than the 256 values of a byte, as they are normalised.
        case floatPlanes(planeBytes: Int)
    }

    /// The upper left pixel, of the first channel.
    package let base: UnsafePointer<UInt8>
    package let size: ImageSize
    package let channels: Int
    package let layout: Layout
    /// From one row to the next.
    package let rowBytes: Int
    private let owner: AnyObject

    /// - Parameters:
    ///   - base: stays in place as long as `owner` is there.
    package init(
        _ base: UnsafePointer<UInt8>, of owner: AnyObject, _ size: ImageSize, channels: Int, layout: Layout,
        rowBytes: Int
    ) {
        precondition(layout != .rgbx || channels == 3)
        if case .floatPlanes = layout {
            precondition(UInt(bitPattern: base).isMultiple(of: UInt(MemoryLayout<Float>.alignment)))
        }
        unsafe self.base = base
        self.size = size
        self.channels = channels
        self.layout = layout
        self.rowBytes = rowBytes
        self.owner = owner
    }

    /// Planes that follow one another without gaps at the start of a row of bytes.
    package init(planes: MatrixView<UInt8>, _ size: ImageSize, channels: Int) {
        precondition(planes.rows == 1 && planes.columns >= channels * size.pixels)
        unsafe self.init(
            planes.pointer, of: planes.storage, size, channels: channels, layout: .planar(planeBytes: size.pixels),
            rowBytes: size.width)
    }

    /// Planes of floats that follow one another without gaps at the start of a row of bytes.
    package init(floatPlanes: MatrixView<UInt8>, _ size: ImageSize, channels: Int) {
        let pixelBytes = MemoryLayout<Float>.stride
        precondition(floatPlanes.rows == 1 && floatPlanes.columns >= channels * size.pixels * pixelBytes)
        unsafe self.init(
            floatPlanes.pointer, of: floatPlanes.storage, size, channels: channels,
            layout: .floatPlanes(planeBytes: pixelBytes * size.pixels), rowBytes: pixelBytes * size.width)
    }

    /// The same pixels without those around a part.
    package func part(_ box: CropBox) -> PixelView {
        precondition(box.lies(in: size))
        let offset = box.top * rowBytes + box.left * pixelBytes
        return unsafe PixelView(
            base + offset, of: owner, box.size, channels: channels, layout: layout, rowBytes: rowBytes)
    }

    /// The byte of one pixel in one channel.
    package subscript(row: Int, column: Int, channel channel: Int) -> UInt8 {
        precondition(row >= 0 && row < size.height && column >= 0 && column < size.width)
        precondition(channel >= 0 && channel < channels)
        let place = row * rowBytes + column * pixelBytes
        switch layout {
        case .planar(let planeBytes): return unsafe base[place + channel * planeBytes]
        case .rgbx: return unsafe base[place + channel]
        case .floatPlanes: preconditionFailure("pixels are no bytes")
        }
    }

    /// The floats of one channel in a row, one after another.
    package func floats(row: Int, channel: Int) -> UnsafePointer<Float> {
        precondition(row >= 0 && row < size.height && channel >= 0 && channel < channels)
        guard case .floatPlanes(let planeBytes) = layout else { preconditionFailure("pixels are no floats") }
        return unsafe UnsafeRawPointer(base + row * rowBytes + channel * planeBytes).assumingMemoryBound(to: Float.self)
    }

    /// The bytes of one channel in a row, from left to right.
    @inline(__always)
    package func forEachByte(row: Int, channel: Int, _ body: (UInt8) -> Void) {
        precondition(row >= 0 && row < size.height && channel >= 0 && channel < channels)
        let first: UnsafePointer<UInt8>
        switch layout {
        case .planar(let planeBytes): unsafe first = base + row * rowBytes + channel * planeBytes
        case .rgbx: unsafe first = base + row * rowBytes + channel
        case .floatPlanes: preconditionFailure("pixels are no bytes")
        }
        for column in 0..<size.width { unsafe body(first[column * pixelBytes]) }
    }

    private var pixelBytes: Int {
        switch layout {
        case .planar: 1
        case .rgbx, .floatPlanes: 4
        }
    }
}
