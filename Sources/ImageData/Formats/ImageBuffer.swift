package import Tensors

/// Memory that images are decoded into, one after another: it grows to the largest of them, and from then on nothing is
/// allocated. One thread at a time.
package final class ImageBuffer {
    private var storage = MatrixView<UInt8>(rows: 1, columns: 0)

    package init() {}

    /// The first `count` bytes, [1, count]. Where there were fewer, all of them are new; otherwise they are as they were
    /// left.
    package func bytes(_ count: Int) -> MatrixView<UInt8> {
        if storage.columns < count { storage = MatrixView(rows: 1, columns: count) }
        return storage.columns(0..<count)
    }
}
