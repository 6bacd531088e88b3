internal import Host

/// What was written to a file: enough to recognise it later.
package struct FileRecord: Equatable, Sendable, Codable {
    /// In bytes.
    package let size: Int
    /// The CRC-32 of zlib and PNG.
    package let crc32: UInt32
}

/// A file being written, whose CRC-32 is formed on the way.
struct ChecksummedFile: ~Copyable {
    private let file: OpenFile
    private var checksum = Checksum()
    private var size = 0
    private var buffer: [UInt8] = []

    private static var bufferSize: Int { 1 << 20 }

    /// Creates the file, or empties the one that is there.
    init(path: String) throws(CheckpointError) {
        file = try OpenFile.writing(path)
        buffer.reserveCapacity(Self.bufferSize)
    }

    mutating func append(_ bytes: RawSpan) throws(CheckpointError) {
        if bytes.byteCount > Self.bufferSize - buffer.count { try flush() }
        if bytes.byteCount < Self.bufferSize {
            unsafe bytes.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
            return
        }
        // In pieces that are still in the cache when they are written.
        for begin in stride(from: 0, to: bytes.byteCount, by: Self.bufferSize) {
            try write(bytes.extracting(begin..<min(begin + Self.bufferSize, bytes.byteCount)))
        }
    }

    mutating func append(_ bytes: [UInt8]) throws(CheckpointError) { try unsafe append(bytes.span.bytes) }

    /// Returns when everything is on the device.
    consuming func finish() throws(CheckpointError) -> FileRecord {
        try flush()
        try file.sync()
        return FileRecord(size: size, crc32: checksum.value)
    }

    private mutating func flush() throws(CheckpointError) {
        if buffer.isEmpty { return }
        let full = buffer
        try unsafe write(full.span.bytes)
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func write(_ bytes: RawSpan) throws(CheckpointError) {
        checksum.add(bytes)
        try file.write(bytes)
        size += bytes.byteCount
    }
}

extension FileRecord {
    /// Reads the whole file.
    package static func of(path: String) throws(CheckpointError) -> FileRecord {
        let file = try OpenFile.reading(path)
        let size = try file.size()
        return FileRecord(size: size, crc32: try checksum(of: file, size: size))
    }

    /// Reads the whole file.
    ///
    /// - Throws: `sizeMismatch` (without reading), `checksumMismatch`, or the file cannot be read.
    func verify(path: String) throws(CheckpointError) {
        let file = try verifySize(path: path)
        let checksum = try Self.checksum(of: file, size: size)
        if checksum != crc32 {
            throw CheckpointError(path: path, .checksumMismatch(expected: crc32, found: checksum))
        }
    }

    private static func checksum(of file: borrowing OpenFile, size: Int) throws(CheckpointError) -> UInt32 {
        var checksum = Checksum()
        let pieceSize = 1 << 20
        for position in stride(from: 0, to: size, by: pieceSize) {
            let piece = try file.bytes(in: position..<min(position + pieceSize, size))
            unsafe checksum.add(piece.span.bytes)
        }
        return checksum.value
    }

    /// Opens the file and compares its size alone.
    @discardableResult
    func verifySize(path: String) throws(CheckpointError) -> OpenFile {
        let file = try OpenFile.reading(path)
        let found = try file.size()
        if found != size { throw CheckpointError(path: path, .sizeMismatch(expected: size, found: found)) }
        return file
    }
}
