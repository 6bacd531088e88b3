internal import CZlib
import Glibc
internal import ImageSources
import Tensors

/// A file read from its start to its end, inflated on the way if its content is gzip, whatever its name.
///
/// Bytes after the end of gzip's data are refused, as are bytes after the declared end of a plain file; zlib's own
/// `gzread` would ignore them.
@safe
struct DataFile: ~Copyable {
    let path: String
    /// Whether the file is compressed.
    let isCompressed: Bool
    let descriptor: Int32
    /// What was read and not yet used is `next_in` of the stream, also for a plain file. It must not move: zlib's own
    /// state points back to it.
    private let stream: UnsafeMutablePointer<z_stream>
    private let buffer: UnsafeMutablePointer<UInt8>

    /// Deflate makes at most 1032 bytes of one (zlib's documentation, "Maximum Expansion Factor").
    private static var largestExpansion: Int { 1032 }
    private static var bufferSize: Int { 1 << 18 }
    /// zlib counts in 32 bits.
    private static var largestRead: Int { 1 << 30 }

    static func open(_ path: String) throws(ImageDataError) -> DataFile {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path: path, reason: ImageDataError.reason(errno)) }
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: Self.bufferSize)
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // Two bytes tell, and may come one by one from a pipe.
        var (first, failure) = (0, String?.none)
        while first < 2 {
            let read = unsafe Self.read(descriptor, into: buffer + first, count: Self.bufferSize - first)
            if read < 0 { failure = ImageDataError.reason(errno) }
            if read <= 0 { break }
            first += read
        }
        unsafe stream.pointee.next_in = buffer
        unsafe stream.pointee.avail_in = UInt32(first)
        let isCompressed = unsafe first >= 2 && buffer[0] == 0x1F && buffer[1] == 0x8B
        if isCompressed {
            // The window of deflate, and 16 for the header and the checksum of gzip.
            let code = unsafe inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
            if code != Z_OK { failure = "zlib error \(code)" }
        }
        let file = unsafe DataFile(
            path: path, isCompressed: isCompressed, descriptor: descriptor, stream: stream, buffer: buffer)
        if let failure { throw .unreadable(path: path, reason: failure) }
        return file
    }

    private init(
        path: String, isCompressed: Bool, descriptor: Int32, stream: UnsafeMutablePointer<z_stream>,
        buffer: UnsafeMutablePointer<UInt8>
    ) {
        self.path = path
        self.isCompressed = isCompressed
        self.descriptor = descriptor
        unsafe self.stream = stream
        unsafe self.buffer = buffer
    }

    deinit {
        if isCompressed { unsafe inflateEnd(stream) }
        unsafe stream.deallocate()
        unsafe buffer.deallocate()
        close(descriptor)
    }

    /// Bytes that the file can hold at most once inflated; a header that declares more is not believed.
    func largestContent() throws(ImageDataError) -> Int {
        let stored = try storedBytes()
        return isCompressed ? stored.multipliedReportingOverflow(by: Self.largestExpansion).0 : stored
    }

    /// Bytes of the file once inflated. Reads a compressed file to its end.
    static func contentBytes(_ path: String) throws(ImageDataError) -> Int {
        let file = try DataFile.open(path)
        guard file.isCompressed else { return try file.storedBytes() }
        var part = [UInt8](repeating: 0, count: bufferSize)
        var total = 0
        while true {
            var span = part.mutableSpan
            let read = try file.read(into: &span)
            total += read
            if read < bufferSize { return total }
        }
    }

    private func storedBytes() throws(ImageDataError) -> Int { Int(try status().st_size) }

    /// Fills `bytes` as far as the file goes and returns how many were read.
    func read(into bytes: inout MutableSpan<UInt8>) throws(ImageDataError) -> Int {
        let count = bytes.count
        guard count > 0 else { return 0 }
        let result = unsafe bytes.withUnsafeMutableBufferPointer { buffer -> Result<Int, ImageDataError> in
            guard let base = buffer.baseAddress else { return .success(0) }
            var total = 0
            do throws(ImageDataError) {
                while total < count {
                    let wanted = min(count - total, Self.largestRead)
                    let read =
                        unsafe try isCompressed
                        ? inflated(into: base + total, count: wanted) : stored(into: base + total, count: wanted)
                    if read == 0 { break }
                    total += read
                }
            } catch { return .failure(error) }
            return .success(total)
        }
        return try result.get()
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

    // MARK: Bytes as they are stored

    /// As read(2), again where a signal came between.
    private static func read(_ descriptor: Int32, into target: UnsafeMutablePointer<UInt8>, count: Int) -> Int {
        while true {
            let read = unsafe Glibc.read(descriptor, target, count)
            if read >= 0 || errno != EINTR { return read }
        }
    }

    /// Fills the buffer if nothing is left in it; whether there is anything.
    private func fill() throws(ImageDataError) -> Bool {
        guard unsafe stream.pointee.avail_in == 0 else { return true }
        let read = unsafe Self.read(descriptor, into: buffer, count: Self.bufferSize)
        guard read >= 0 else { throw .unreadable(path: path, reason: ImageDataError.reason(errno)) }
        unsafe stream.pointee.next_in = buffer
        unsafe stream.pointee.avail_in = UInt32(read)
        return read > 0
    }

    private func stored(into target: UnsafeMutablePointer<UInt8>, count: Int) throws(ImageDataError) -> Int {
        guard try fill() else { return 0 }
        let taken = unsafe min(count, Int(stream.pointee.avail_in))
        unsafe target.update(from: stream.pointee.next_in, count: taken)
        unsafe stream.pointee.next_in += taken
        unsafe stream.pointee.avail_in -= UInt32(taken)
        return taken
    }

    // MARK: Inflating

    /// Up to `count` bytes; none at the end of the file.
    private func inflated(into target: UnsafeMutablePointer<UInt8>, count: Int) throws(ImageDataError) -> Int {
        unsafe stream.pointee.next_out = target
        unsafe stream.pointee.avail_out = UInt32(count)
        while unsafe Int(stream.pointee.avail_out) == count {
            let isAtStart = unsafe stream.pointee.total_in == 0
            guard try fill() else {
                // Nothing more, and no data begun: the end.
                if isAtStart { return 0 }
                throw .unreadable(path: path, reason: "the gzip data ends too early")
            }
            guard unsafe !isAtStart || stream.pointee.next_in[0] == 0x1F else {
                throw .trailingBytesAfterGzip(path: path)
            }
            let code = unsafe inflate(stream, Z_NO_FLUSH)
            switch code {
            case Z_OK, Z_BUF_ERROR: continue
            case Z_STREAM_END:
                // Data may follow that were compressed apart; gzip reads them as one.
                unsafe inflateReset(stream)
            default:
                let text = unsafe stream.pointee.msg.map { unsafe String(cString: $0) } ?? "zlib error \(code)"
                throw .unreadable(path: path, reason: "damaged gzip data (\(text))")
            }
        }
        return unsafe count - Int(stream.pointee.avail_out)
    }
}
