package import ImageCodecs
internal import Host

/// A PNG file of pixels without a pattern, red, green and blue; put together by hand, so that it may be made damaged.
package func samplePNG(_ size: ImageSize, salt: Int = 1) -> [UInt8] {
    let pixels = patternBytes(3 * size.pixels, salt: salt)
    var rows: [UInt8] = []
    for row in 0..<size.height {
        // The first byte: no filter.
        rows.append(0)
        rows += pixels[3 * row * size.width..<3 * (row + 1) * size.width]
    }
    precondition(rows.count < 65_536, "one block holds no more")
    // A block of deflate that is stored as it is.
    let length = UInt16(rows.count)
    var stored: [UInt8] = [0x78, 1, 1]
    for word in [length, ~length] { stored += [UInt8(word & 255), UInt8(word >> 8)] }
    stored += rows
    stored += adler32(rows)
    let header = bigEndian(size.width) + bigEndian(size.height) + [8, 2, 0, 0, 0]
    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    file += chunk("IHDR", header)
    file += chunk("IDAT", stored)
    return file + chunk("IEND", [])
}

private func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    var checksum = Checksum()
    unsafe checksum.add((Array(name.utf8) + content).span.bytes)
    return bigEndian(content.count) + Array(name.utf8) + content + bigEndian(Int(checksum.value))
}

private func adler32(_ bytes: [UInt8]) -> [UInt8] {
    let sums = bytes.reduce((1, 0)) { sums, byte in
        let low = (sums.0 + Int(byte)) % 65_521
        return (low, (sums.1 + low) % 65_521)
    }
    return bigEndian(sums.1 << 16 | sums.0)
}

private func bigEndian(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
