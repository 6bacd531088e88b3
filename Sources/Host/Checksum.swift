internal import CZlib

/// A running CRC-32: that of zlib and PNG.
package struct Checksum: Sendable {
    package private(set) var value: UInt32 = 0

    package init() {}

    package mutating func add(_ bytes: RawSpan) {
        value = unsafe bytes.withUnsafeBytes { buffer in
            // zlib takes a null pointer as the wish for the initial value.
            guard let address = buffer.baseAddress else { return value }
            let start = unsafe address.assumingMemoryBound(to: UInt8.self)
            return UInt32(truncatingIfNeeded: unsafe crc32_z(uLong(value), start, z_size_t(buffer.count)))
        }
    }

    /// The bytes of a number in this machine's order.
    package mutating func add(_ number: Int) { unsafe add([number].span.bytes) }
}
