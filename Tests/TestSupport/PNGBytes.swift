internal import Host

/// A PNG of 8 bits a channel, RGB, without compression.
///
/// - Parameter pixels: [height, width, 3].
package func pngBytes(width: Int, height: Int, _ pixels: [UInt8]) -> [UInt8] {
    precondition(pixels.count == 3 * width * height && (3 * width + 1) * height < 65536)
    func word(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + content
        var checksum = Checksum()
        unsafe checksum.add(body.span.bytes)
        return word(UInt32(content.count)) + body + word(checksum.value)
    }
    var rows: [UInt8] = []
    for row in 0..<height {
        rows.append(0)
        rows += pixels[(3 * width * row)..<(3 * width * (row + 1))]
    }
    var (a, b) = (UInt32(1), UInt32(0))
    for byte in rows {
        a = (a + UInt32(byte)) % 65521
        b = (b + a) % 65521
    }
    let length = UInt16(rows.count)
    var stored: [UInt8] = [0x78, 0x01, 1]
    for half in [length, ~length] { stored += [UInt8(truncatingIfNeeded: half), UInt8(half >> 8)] }
    stored += rows + word(b << 16 | a)
    let header = word(UInt32(width)) + word(UInt32(height)) + [8, 2, 0, 0, 0]
    let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    return signature + chunk("IHDR", header) + chunk("IDAT", stored) + chunk("IEND", [])
}
