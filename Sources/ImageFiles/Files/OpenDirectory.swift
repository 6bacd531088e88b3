internal import Glibc
internal import Host
internal import ImageCodecs
internal import ImageSources
internal import Tensors

/// A directory whose files are opened by their names in it, without looking the whole path up again.
final class OpenDirectory: Sendable {
    private let path: String
    private let descriptor: Int32
    /// Beyond it a file is no image: the address space of a decoder ends there too.
    private static var largestFile: Int { 1 << 30 }

    init(_ path: String) throws(ImageDataError) {
        self.path = path
        descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: ImageDataError.reason(errno)) }
    }

    deinit { close(descriptor) }

    /// For people: what a line has no room for is left out of the name.
    func path(of name: ArraySlice<UInt8>) -> String {
        Directories.child(path, String(decoding: name, as: UTF8.self).printable(limit: 400))
    }

    /// All bytes of a file, read into the buffer's room for encoded images.
    func content(of name: ArraySlice<UInt8>, into buffer: ImageBuffer) throws(ImageDataError) -> MatrixView<UInt8> {
        // O_NONBLOCK: a pipe of that name would hold up the program.
        let file = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: name.count + 1) { text in
            for (place, byte) in name.enumerated() { unsafe text[place] = CChar(bitPattern: byte) }
            unsafe text[name.count] = 0
            return unsafe openat(descriptor, text.baseAddress.unsafelyUnwrapped, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        }
        guard file >= 0 else { throw .unreadable(path: path(of: name), reason: ImageDataError.reason(errno)) }
        defer { close(file) }
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else {
            throw .unreadable(path: path(of: name), reason: ImageDataError.reason(errno))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path(of: name), reason: "is no file") }
        let size = Int(status.st_size)
        guard size <= Self.largestFile else { throw .unreadable(path: path(of: name), reason: "is larger than 1 GiB") }
        let bytes = buffer.encoded(size)
        guard let taken = bytes.fill(from: file, at: 0) else {
            throw .unreadable(path: path(of: name), reason: ImageDataError.reason(errno))
        }
        return bytes.columns(0..<taken)
    }
}
