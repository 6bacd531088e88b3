import Glibc

/// The one owner of numeric memory: `count` zeroed elements, aligned to a cache line, freed with the last view.
///
/// Large allocations are anonymous maps asked to use huge pages. Pages that were never written take no memory.
@safe
package final class Storage<Element: BitwiseCopyable>: @unchecked Sendable {
    package let count: Int
    private let base: UnsafeMutablePointer<Element>
    /// Nil for what the allocator gave, 0 where there is no memory.
    private let mappedBytes: Int?

    /// The first element, for a C call.
    package var address: UnsafeMutablePointer<Element> { unsafe base }

    /// Below this size the allocator serves; above it the kernel does.
    private static var mapThreshold: Int { 1 << 20 }
    private static var alignment: Int { 64 }

    package init(count: Int) {
        precondition(count >= 0)
        // Products read operands by pairs and may look one element past the last row.
        let (wanted, isTooLarge) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !isTooLarge && wanted < Int.max - Self.alignment else { RefusedMemory.end(bytes: nil) }
        let bytes = wanted + Self.alignment
        var mapped: Int?
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
        guard let address = unsafe address else { RefusedMemory.end(bytes: bytes) }
        if mapped == nil { unsafe memset(address, 0, bytes) }
        unsafe self.base = address.bindMemory(to: Element.self, capacity: max(count, 1))
        self.count = count
        self.mappedBytes = mapped
    }

    /// Room for `count` elements that is only thought of, for a plan that is counted and never run: views can be made of
    /// it, and touching an element ends the process.
    package init(unbacked count: Int) {
        precondition(count >= 0)
        // No processor has memory there.
        guard let nowhere = unsafe UnsafeMutablePointer<Element>(bitPattern: UInt(1) << 63) else {
            preconditionFailure("an address above zero")
        }
        unsafe base = nowhere
        self.count = count
        mappedBytes = 0
    }

    deinit {
        guard let mappedBytes else { return unsafe free(base) }
        if mappedBytes > 0 { unsafe munmap(base, mappedBytes) }
    }
}
