internal import Glibc
internal import Tensors

extension MatrixView<UInt8> {
    /// Fills the bytes of a row from a place in a file, as far as the file goes.
    ///
    /// - Returns: how many there were; nil where the system refuses to read, with `errno`.
    func fill(from descriptor: Int32, at offset: Int) -> Int? {
        var taken = 0
        while taken < columns {
            let count = unsafe pread(descriptor, pointer + taken, columns - taken, off_t(offset + taken))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            taken += count
        }
        return taken
    }
}
