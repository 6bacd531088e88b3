internal import Glibc
internal import Host
internal import ImageSources
internal import Tensors

/// Content of a file: a copy that the processes of a host share, the file itself, mapped, or a copy of this process.
@safe
struct FileBytes: @unchecked Sendable {
    /// The first byte; valid as long as this value is kept.
    let address: UnsafePointer<UInt8>
    let count: Int
    /// Bytes of memory that this process alone answers for.
    let heldBytes: Int
    /// Keeps the bytes.
    let owner: AnyObject

    init(_ file: MappedFile, from first: Int = 0, heldBytes: Int = 0) {
        precondition(first >= 0 && first <= file.count)
        unsafe address = file.address + first
        count = file.count - first
        self.heldBytes = heldBytes
        owner = file
    }

    init(_ storage: Storage<UInt8>) {
        unsafe address = UnsafePointer(storage.address)
        (count, heldBytes, owner) = (storage.count, storage.count, storage)
    }

    /// Some of the bytes, to be read while this value is there.
    subscript(range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return unsafe UnsafeBufferPointer(start: address + range.lowerBound, count: range.count)
    }
}

extension DataFile {
    /// A copy of a plain file spares nothing but surprises, so it may take a quarter of the memory.
    private static var partForCopies: Int { 4 }

    /// All that follows the header, which has been read, and has to have `count` bytes: copied or inflated by one process of
    /// those that share memory. Without that, and where it would be too much, a plain file is mapped, and a compressed one
    /// inflated for this process alone.
    func rest(after header: Int, count: Int, sharing share: HostShare?) throws(ImageDataError) -> FileBytes {
        let (expected, stored) = (header + count, try storedBytes())
        if !isCompressed {
            guard stored >= expected else {
                throw .truncated(path: path, expectedBytes: expected, foundBytes: stored)
            }
            guard stored == expected else { throw .trailingBytes(path: path, expectedBytes: expected) }
        }
        if let share {
            let shared = try share.content(try key(count: count), ofMemory: isCompressed ? 1 : Self.partForCopies) {
                (span) throws(ImageDataError) in
                try readAll(of: &span, after: header)
                try expectEnd(after: expected)
            }
            if let shared { return FileBytes(shared, heldBytes: share.isOwner ? count : 0) }
        }
        if !isCompressed, let file = MappedFile(descriptor, count: stored) { return FileBytes(file, from: header) }
        let available = HostMemory().least
        guard !isCompressed || count <= available else {
            throw .tooLargeInflated(path: path, bytes: count, available: available)
        }
        let storage = Storage<UInt8>(count: count)
        var span = unsafe MutableSpan(_unsafeStart: storage.address, count: count)
        try readAll(of: &span, after: header)
        try expectEnd(after: expected)
        return FileBytes(storage)
    }

    /// Bytes of a file once inflated, for which a compressed one has to be read to its end: by one process of those that share
    /// memory, which leaves the number to the others as content of its own.
    static func contentBytes(_ path: String, sharing share: HostShare?) throws(ImageDataError) -> Int {
        let file = try DataFile.open(path)
        guard file.isCompressed else { return try file.storedBytes() }
        let shared = try share?.content(try file.key(count: MemoryLayout<Int>.size)) { (span) throws(ImageDataError) in
            let bytes = try file.inflatedBytes()
            for place in 0..<span.count { span[place] = UInt8(truncatingIfNeeded: bytes >> (8 * place)) }
        }
        guard let shared else { return try file.inflatedBytes() }
        return (0..<shared.count).reduce(0) { unsafe $0 | Int(shared.address[$1]) << (8 * $1) }
    }

    /// Reads on to the end.
    private func inflatedBytes() throws(ImageDataError) -> Int {
        var part = [UInt8](repeating: 0, count: 1 << 18)
        var total = 0
        while true {
            var span = part.mutableSpan
            let read = try read(into: &span)
            total += read
            if read < part.count { return total }
        }
    }

    /// By which processes know content that was made of this file, as it is now.
    private func key(count: Int) throws(ImageDataError) -> HostShare.Key {
        let status = try status()
        return HostShare.Key(
            device: UInt64(status.st_dev), file: UInt64(status.st_ino),
            changed: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec), count: count)
    }

    func status() throws(ImageDataError) -> stat {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw .unreadable(path: path, reason: ImageDataError.reason(errno))
        }
        return status
    }
}
