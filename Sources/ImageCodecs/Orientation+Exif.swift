extension Orientation {
    /// What EXIF says in a JPEG file's APP1 segments or a PNG file's chunk eXIf; upright where it says nothing that can be
    /// understood.
    init(of bytes: Span<UInt8>, _ format: EncodedFormat) {
        let found: Int? =
            switch format {
            case .jpeg: Self.inSegments(of: bytes)
            case .png: Self.inChunks(of: bytes)
            case .pixmap: nil
            }
        self = found.flatMap { Orientation(rawValue: $0) } ?? .upright
    }

    /// The first segment counts, as in Pillow where each has a whole header.
    private static func inSegments(of bytes: Span<UInt8>) -> Int? {
        // Behind the marker that begins the file.
        var place = 2
        while place + 4 <= bytes.count {
            guard bytes[place] == 0xFF else {
                place += 1
                continue
            }
            let marker = bytes[place + 1]
            switch marker {
            // Padding, and markers without content.
            case 0x00, 0xFF: place += 1
            case 0x01, 0xD0...0xD8: place += 2
            // The scan, or the end.
            case 0xD9, 0xDA: return nil
            default:
                let length = TIFFBytes.big(bytes, at: place + 2, count: 2)
                let end = min(place + 2 + length, bytes.count)
                if marker == 0xE1, let content = after("Exif\0\0", in: bytes, place + 4..<max(end, place + 4)) {
                    return orientation(bytes, content)
                }
                place += 2 + max(length, 2)
            }
        }
        return nil
    }

    private static func inChunks(of bytes: Span<UInt8>) -> Int? {
        // Behind the signature.
        var place = 8
        while place + 8 <= bytes.count {
            let content = place + 8
            let length = TIFFBytes.big(bytes, at: place, count: 4)
            let end = min(content + length, bytes.count)
            if after("eXIf", in: bytes, place + 4..<content) != nil {
                return orientation(bytes, content..<end)
            }
            // With its checksum.
            place = end + 4
        }
        return nil
    }

    /// Some programs begin with the name of the segment a second time, or in a chunk.
    private static func orientation(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
        TIFFBytes(bytes, after("Exif\0\0", in: bytes, range) ?? range)?.orientation
    }

    /// What follows `start` in `range`; nil where it begins otherwise.
    private static func after(_ start: StaticString, in bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int>? {
        let count = start.utf8CodeUnitCount
        guard range.upperBound <= bytes.count, range.count >= count else { return nil }
        for index in 0..<count where unsafe bytes[range.lowerBound + index] != start.utf8Start[index] { return nil }
        return range.dropFirst(count)
    }
}

/// The header of EXIF, which is one of TIFF, and its first directory. TIFF 6.0, section 2.
private struct TIFFBytes {
    let orientation: Int?

    /// - Returns: nil where there is no such header.
    init?(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        guard range.count >= 8 else { return nil }
        let start = range.lowerBound
        let isBig: Bool
        switch (bytes[start], bytes[start + 1]) {
        case (0x49, 0x49): isBig = false
        case (0x4D, 0x4D): isBig = true
        default: return nil
        }
        func number(_ offset: Int, _ count: Int) -> Int {
            isBig
                ? Self.big(bytes, at: start + offset, count: count)
                : Self.little(bytes, at: start + offset, count: count)
        }
        // Pillow takes the mark in either order of bytes.
        guard number(2, 2) == 42 || number(2, 2) == 42 << 8 else { return nil }
        let directory = number(4, 4)
        guard directory + 2 <= range.count else { return nil }
        var found: Int?
        for entry in 0..<number(directory, 2) {
            let offset = directory + 2 + 12 * entry
            guard offset + 12 <= range.count else { break }
            guard number(offset, 2) == 0x0112 else { continue }
            // One whole number of 16 or 32 bits; signed ones are the same where they count.
            guard number(offset + 4, 4) == 1 else { continue }
            switch number(offset + 2, 2) {
            case 3, 8: found = number(offset + 8, 2)
            case 4, 9: found = number(offset + 8, 4)
            default: continue
            }
        }
        orientation = found
    }

    static func big(_ bytes: Span<UInt8>, at place: Int, count: Int) -> Int {
        (0..<count).reduce(0) { $0 << 8 | Int(bytes[place + $1]) }
    }

    private static func little(_ bytes: Span<UInt8>, at place: Int, count: Int) -> Int {
        (0..<count).reversed().reduce(0) { $0 << 8 | Int(bytes[place + $1]) }
    }
}
