/// A gzip stream of stored blocks, put together by hand so that the reader is not tested with its own library alone.
package func gzipBytes(_ content: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
    var start = 0
    repeat {
        let end = min(start + 65_535, content.count)
        let length = UInt16(end - start)
        bytes.append(end == content.count ? 1 : 0)
        bytes += littleEndian(UInt32(length) | UInt32(~length) << 16)
        bytes += content[start..<end]
        start = end
    } while start < content.count
    return bytes + littleEndian(checksum(content)) + littleEndian(UInt32(truncatingIfNeeded: content.count))
}

private func littleEndian(_ word: UInt32) -> [UInt8] {
    [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
}

/// CRC-32, bit by bit.
private func checksum(_ bytes: [UInt8]) -> UInt32 {
    var value = UInt32.max
    for byte in bytes {
        value ^= UInt32(byte)
        for _ in 0..<8 { value = value >> 1 ^ (value & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return ~value
}
