package import Tensors

/// Memory that images are decoded into, one after another, and the decoder that does it: both grow to the largest image,
/// and from then on nothing is allocated. One thread at a time.
package final class ImageBuffer {
    private var storage = MatrixView<UInt8>(rows: 1, columns: 0)
    private var unturned = MatrixView<UInt8>(rows: 1, columns: 0)
    private var file = MatrixView<UInt8>(rows: 1, columns: 0)
    package let decoder = ImageDecoder()

    package init() {}

    /// The first `count` bytes of the pixels, [1, count]. Where there were fewer, all of them are new; otherwise they are as
    /// they were left.
    package func bytes(_ count: Int) -> MatrixView<UInt8> {
        Self.grow(&storage, to: count)
        return storage.columns(0..<count)
    }

    /// The same memory for `count` floats, and where they begin: overwrites what bytes were in it.
    package func floats(_ count: Int) -> (bytes: MatrixView<UInt8>, address: UnsafeMutablePointer<Float>) {
        let bytes = bytes(count * MemoryLayout<Float>.stride)
        return unsafe (bytes, UnsafeMutableRawPointer(bytes.pointer).bindMemory(to: Float.self, capacity: count))
    }

    /// The same for pixels as they are stored, before they are turned.
    func stored(_ count: Int) -> MatrixView<UInt8> {
        Self.grow(&unturned, to: count)
        return unturned.columns(0..<count)
    }

    /// The same for what is read before it is decoded.
    package func encoded(_ count: Int) -> MatrixView<UInt8> {
        Self.grow(&file, to: count)
        return file.columns(0..<count)
    }

    private static func grow(_ storage: inout MatrixView<UInt8>, to count: Int) {
        // Half as much again: sizes of photographs differ a little from one to the next.
        if storage.columns < count { storage = MatrixView(rows: 1, columns: max(count, storage.columns * 3 / 2)) }
    }
}
