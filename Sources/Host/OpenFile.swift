import Glibc

/// Calls `body` until it is not interrupted by a signal and turns its failure (-1) into an error with the call's name.
@discardableResult
package func systemCall<Result: FixedWidthInteger & SignedInteger>(
    _ name: String, _ path: String, _ body: () -> Result
) throws(FileError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = errno
        if code != EINTR { throw FileError(path: path, .system(call: name, code: code)) }
    }
}

/// Names of system calls as messages give them.
package enum SystemCall {
    /// open(2) of a file that is only read; other advice fits than where it is written.
    package static var openForReading: String { "open for reading" }
}

/// An open file, closed at the end of its life.
package struct OpenFile: ~Copyable, Sendable {
    package let descriptor: Int32
    package let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    // A failed close says nothing new: files that are written are synced before.
    deinit { close(descriptor) }

    /// Opens a regular file for reading.
    package static func reading(_ path: String) throws(FileError) -> OpenFile { try reading(Array(path.utf8)) }

    /// As `reading`, by a path that need not be UTF-8.
    package static func reading(_ path: [UInt8]) throws(FileError) -> OpenFile {
        // O_NONBLOCK, so that a pipe in place of the file cannot hold up the program.
        let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
        if try file.status().st_mode & S_IFMT != S_IFREG { throw FileError(path: file.path, .notRegularFile) }
        return file
    }

    /// Creates a file, or empties the one that is there.
    package static func writing(_ path: String) throws(FileError) -> OpenFile {
        try OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC)
    }

    /// Creates a file, which must not be there, by a path that need not be UTF-8.
    package static func creating(_ path: [UInt8]) throws(FileError) -> OpenFile {
        try OpenFile(path, O_WRONLY | O_CREAT | O_EXCL)
    }

    /// Opens a file as it is for reading and writing.
    package static func updating(_ path: String, creatingIfMissing: Bool) throws(FileError) -> OpenFile {
        try OpenFile(path, O_RDWR | (creatingIfMissing ? O_CREAT : 0))
    }

    /// Opens a file at its end, or creates it.
    package static func appending(_ path: String) throws(FileError) -> OpenFile {
        try OpenFile(path, O_WRONLY | O_CREAT | O_APPEND)
    }

    package static func directory(_ path: String) throws(FileError) -> OpenFile {
        try OpenFile(path, O_RDONLY | O_DIRECTORY)
    }

    private init(_ path: String, _ flags: Int32) throws(FileError) { try self.init(Array(path.utf8), flags) }

    private init(_ path: [UInt8], _ flags: Int32) throws(FileError) {
        let call = flags & O_ACCMODE == O_RDONLY ? SystemCall.openForReading : "open"
        let text = String(decoding: path, as: UTF8.self)
        let descriptor = try systemCall(call, text) {
            unsafe Directories.withPath(path) { unsafe open($0, flags | O_CLOEXEC, 0o666) }
        }
        self.init(descriptor: descriptor, path: text)
    }

    private func status() throws(FileError) -> stat {
        var status = stat()
        try systemCall("fstat", path) { unsafe fstat(descriptor, &status) }
        return status
    }

    /// The file's size in bytes.
    package func size() throws(FileError) -> Int { Int(try status().st_size) }

    /// Fills `bytes` from byte `position` of the file.
    ///
    /// - Throws: `truncatedWhileReading` if the file ends before.
    package func read(into bytes: inout MutableRawSpan, at position: Int) throws(FileError) {
        var done = 0
        while done < bytes.byteCount {
            let count = try systemCall("read", path) {
                unsafe bytes.withUnsafeMutableBytes { buffer in
                    let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
                    return unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(position + done))
                }
            }
            if count == 0 { throw FileError(path: path, .truncatedWhileReading(position: position + done)) }
            done += count
        }
    }

    /// The whole content.
    ///
    /// - Throws: `tooLarge` beyond `limit` bytes.
    package func content(limit: Int) throws(FileError) -> [UInt8] {
        let size = try size()
        if size > limit { throw FileError(path: path, .tooLarge(bytes: size, limit: limit)) }
        return try bytes(in: 0..<size)
    }

    /// - Throws: `truncatedWhileReading` if the file ends before.
    package func bytes(in range: Range<Int>) throws(FileError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: range.count)
        var span = result.mutableSpan
        var bytes = unsafe span.mutableBytes
        try read(into: &bytes, at: range.lowerBound)
        return result
    }

    package func write(_ bytes: RawSpan) throws(FileError) {
        var done = 0
        while done < bytes.byteCount {
            done += try systemCall("write", path) {
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[done...])
                    return unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                }
            }
        }
    }

    /// Returns when what was written is on the device.
    package func sync() throws(FileError) { try systemCall("fsync", path) { fsync(descriptor) } }
}
