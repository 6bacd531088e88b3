import Glibc

/// Bytes of a file, mapped to be read: processes of a host that map the same file share the memory it is cached in.
///
/// They are the file's own. Where it is changed, so are they; beyond the end of a file that has been truncated since there
/// is nothing, and reading there ends the process (SIGBUS).
@safe
package final class MappedFile: @unchecked Sendable {
    /// The first byte; valid as long as this object is.
    package var address: UnsafePointer<UInt8> { unsafe UnsafePointer(base.assumingMemoryBound(to: UInt8.self)) }
    package let count: Int
    private let base: UnsafeMutableRawPointer

    /// - Parameters:
    ///   - descriptor: of a file of at least `offset + count` bytes; it may be closed afterwards.
    ///   - offset: a multiple of the page size.
    /// - Returns: nil where the file system maps no files, or no address space is left.
    package convenience init?(_ descriptor: Int32, count: Int, at offset: Int = 0) {
        self.init(descriptor, count: count, at: offset, PROT_READ)
    }

    fileprivate init?(_ descriptor: Int32, count: Int, at offset: Int, _ protection: Int32) {
        guard count > 0, let base = unsafe mmap(nil, count, protection, MAP_SHARED, descriptor, off_t(offset)),
            unsafe base != MAP_FAILED
        else { return nil }
        unsafe self.base = base
        self.count = count
    }

    deinit { unsafe munmap(base, count) }

    /// A new part of a file, which has been reserved, with what `fill` writes there; nobody may write to it afterwards.
    static func filled<Failure: Error>(
        _ descriptor: Int32, count: Int, at offset: Int,
        by fill: (inout MutableSpan<UInt8>) throws(Failure) -> Void
    ) throws(Failure) -> MappedFile? {
        guard let file = MappedFile(descriptor, count: count, at: offset, PROT_READ | PROT_WRITE) else { return nil }
        var span = unsafe MutableSpan(_unsafeStart: file.base.assumingMemoryBound(to: UInt8.self), count: count)
        try fill(&span)
        unsafe mprotect(file.base, count, PROT_READ)
        return file
    }
}
