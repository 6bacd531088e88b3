/// What was written to a file: enough to recognise it later.
package struct FileRecord: Equatable, Sendable, Codable {
    /// The file's size in bytes.
    package let size: Int
    /// The CRC-32 of zlib and PNG.
    package let crc32: UInt32
}

/// A file being written, whose CRC-32 is formed on the way.
package struct ChecksummedFile: ~Copyable {
    private let file: OpenFile
    private var checksum = Checksum()
    private var size = 0
    private var buffer: [UInt8] = []

    private static var bufferSize: Int { 1 << 20 }

    /// Creates the file, or empties the one that is there.
    package init(path: String) throws(FileError) {
        file = try OpenFile.writing(path)
        buffer.reserveCapacity(Self.bufferSize)
    }

    package mutating func append(_ bytes: RawSpan) throws(FileError) {
        if bytes.byteCount > Self.bufferSize - buffer.count { try flush() }
        if bytes.byteCount < Self.bufferSize {
            unsafe bytes.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
            return
        }
        // Sums are formed piece by piece, so that a piece is still in the cache when it is written.
        for begin in stride(from: 0, to: bytes.byteCount, by: Self.bufferSize) {
            try write(bytes.extracting(begin..<min(begin + Self.bufferSize, bytes.byteCount)))
        }
    }

    package mutating func append(_ bytes: [UInt8]) throws(FileError) { try unsafe append(bytes.span.bytes) }

    /// Returns when everything is on the device.
    package consuming func finish() throws(FileError) -> FileRecord {
        try flush()
        try file.sync()
        return FileRecord(size: size, crc32: checksum.value)
    }

    private mutating func flush() throws(FileError) {
        if buffer.isEmpty { return }
        let full = buffer
        try unsafe write(full.span.bytes)
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func write(_ bytes: RawSpan) throws(FileError) {
        checksum.add(bytes)
        try file.write(bytes)
        size += bytes.byteCount
    }
}

extension FileRecord {
    /// Reads the whole file.
    package static func of(path: String) throws(FileError) -> FileRecord {
        let file = try OpenFile.reading(path)
        let size = try file.size()
        return FileRecord(size: size, crc32: try checksum(of: file, size: size))
    }

    /// Reads the whole file.
    ///
    /// - Throws: `sizeMismatch` (without reading), `checksumMismatch`, or the file cannot be read.
    package func verify(path: String) throws(FileError) {
        let file = try verifySize(path: path)
        let checksum = try Self.checksum(of: file, size: size)
        if checksum != crc32 {
            throw FileError(path: path, .checksumMismatch(expected: crc32, found: checksum))
        }
    }

    private static func checksum(of file: borrowing OpenFile, size: Int) throws(FileError) -> UInt32 {
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
    package func verifySize(path: String) throws(FileError) -> OpenFile {
        let file = try OpenFile.reading(path)
        let found = try file.size()
        if found != size { throw FileError(path: path, .sizeMismatch(expected: size, found: found)) }
        return file
    }
}
