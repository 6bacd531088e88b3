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
        let status = try status()
        let (expected, stored) = (header + count, Int(status.st_size))
        if !isCompressed {
            guard stored >= expected else {
                throw .truncated(path: path, expectedBytes: expected, foundBytes: stored)
            }
            guard stored == expected else { throw .trailingBytes(path: path, expectedBytes: expected) }
        }
        if let share {
            let key = HostShare.Key(
                device: UInt64(status.st_dev), file: UInt64(status.st_ino),
                changed: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec), count: count)
            let shared = try share.content(key, ofMemory: isCompressed ? 1 : Self.partForCopies) {
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

    func status() throws(ImageDataError) -> stat {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw .unreadable(path: path, reason: ImageDataError.reason(errno))
        }
        return status
    }
}
