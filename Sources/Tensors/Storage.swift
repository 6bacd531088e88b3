import Glibc

/// The one owner of numeric memory: `count` zeroed elements, aligned to a cache line, freed with the last view.
///
/// Large allocations are anonymous maps asked to use huge pages. Pages that were never written take no memory, so a
/// whole training step can be laid out, and its plan printed, before any of it is paid for.
@safe
package final class Storage<Element: BitwiseCopyable>: @unchecked Sendable {
    package let count: Int
    private let base: UnsafeMutablePointer<Element>
    private let mappedBytes: Int

    /// The first element, for a C call.
    package var address: UnsafeMutablePointer<Element> { unsafe base }

    /// Below this size the allocator serves; above it the kernel does.
    private static var mapThreshold: Int { 1 << 20 }
    private static var alignment: Int { 64 }

    package init(count: Int) {
        precondition(count >= 0)
        // Products read operands by pairs and may look one element past the last row.
        let bytes = count * MemoryLayout<Element>.stride + Self.alignment
        var mapped = 0
        var address: UnsafeMutableRawPointer?
        if bytes >= Self.mapThreshold {
            let result = unsafe mmap(
                nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            if let result = unsafe result, unsafe result != MAP_FAILED {
                unsafe madvise(result, bytes, MADV_HUGEPAGE)
                unsafe address = result
                mapped = bytes
            }
        } else {
            unsafe posix_memalign(&address, Self.alignment, bytes)
        }
        guard let address = unsafe address else {
            fatalError("out of memory: \(bytes) bytes were refused by the system")
        }
        if mapped == 0 { unsafe memset(address, 0, bytes) }
        unsafe self.base = address.bindMemory(to: Element.self, capacity: max(count, 1))
        self.count = count
        self.mappedBytes = mapped
    }

    deinit {
        if mappedBytes > 0 { unsafe munmap(base, mappedBytes) } else { unsafe free(base) }
    }
}
