internal import CZlib
import Glibc
import Tensors

/// A file read from its start to its end, inflated on the way if its content is gzip, whatever its name.
@safe
struct DataFile: ~Copyable {
    let path: String
    private let handle: gzFile

    /// Deflate makes at most 1032 bytes of one (zlib's documentation, "Maximum Expansion Factor").
    private static var largestExpansion: Int { 1032 }

    init(path: String) throws(ImageDataError) {
        guard let handle = unsafe gzopen(path, "rb") else {
            throw .unreadable(path: path, reason: Self.systemError(errno))
        }
        unsafe gzbuffer(handle, 1 << 18)
        self.path = path
        unsafe self.handle = handle
    }

    deinit { unsafe gzclose_r(handle) }

    /// Bytes that the file can hold at most once inflated; a header that declares more is not believed.
    ///
    /// Call after the first `read`, by which zlib has seen whether the file is compressed.
    func largestContent() throws(ImageDataError) -> Int {
        let stored = try Self.storedBytes(path)
        return unsafe gzdirect(handle) == 1 ? stored : stored.multipliedReportingOverflow(by: Self.largestExpansion).0
    }

    /// Bytes of the file as it is stored.
    static func storedBytes(_ path: String) throws(ImageDataError) -> Int {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw .unreadable(path: path, reason: systemError(errno)) }
        return Int(status.st_size)
    }

    /// Fills `bytes` as far as the file goes and returns how many were read.
    func read(into bytes: inout MutableSpan<UInt8>) throws(ImageDataError) -> Int {
        var total = 0
        while total < bytes.count {
            // zlib counts in 32 bits.
            let wanted = min(bytes.count - total, 1 << 30)
            let read = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return Int32(0) }
                return unsafe gzread(handle, base + total, UInt32(wanted))
            }
            total += Int(max(read, 0))
            if read < wanted {
                try checkState()
                break
            }
        }
        return total
    }

    /// Reads exactly `bytes.count` bytes.
    func readAll(of bytes: inout MutableSpan<UInt8>, after header: Int) throws(ImageDataError) {
        let read = try read(into: &bytes)
        guard read == bytes.count else {
            throw .truncated(path: path, expectedBytes: header + bytes.count, foundBytes: header + read)
        }
    }

    /// Throws unless the file ends here; reading on also makes zlib compare the checksum at the end of a gzip file.
    func expectEnd(after expectedBytes: Int) throws(ImageDataError) {
        var extra: [UInt8] = [0]
        var span = extra.mutableSpan
        guard try read(into: &span) == 0 else { throw .trailingBytes(path: path, expectedBytes: expectedBytes) }
    }

    private func checkState() throws(ImageDataError) {
        var code: Int32 = 0
        let message = unsafe gzerror(handle, &code)
        switch code {
        case Z_OK, Z_STREAM_END: return
        case Z_ERRNO: throw .unreadable(path: path, reason: Self.systemError(errno))
        case Z_BUF_ERROR: throw .unreadable(path: path, reason: "the gzip data ends too early")
        default:
            let text = unsafe message.map { unsafe String(cString: $0) } ?? "zlib error \(code)"
            // zlib puts the path in front.
            let reason = text.hasPrefix(path + ": ") ? String(text.dropFirst(path.count + 2)) : text
            throw .unreadable(path: path, reason: "damaged gzip data (\(reason))")
        }
    }

    private static func systemError(_ code: Int32) -> String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text).lowercased()
    }
}
