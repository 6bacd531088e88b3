internal import Host
package import ImageSources

/// An index as bytes: kept beside the data, or sent to other ranks. Numbers are little-endian.
///
/// | bytes | |
/// |---|---|
/// | 8 | `UMAEINDX` |
/// | 4 | version, 1 |
/// | 4 | what there is: 1 places, 2 labels, 4 checksums |
/// | 6 · 8 | number of samples, bytes of their names; number of files, bytes of their names; the same of classes |
/// | | of samples, of files, of classes: the length of each name (4), then all names |
/// | | of each sample: file (4); size (4); offset (8); label (4); checksum (4): a column each, where there is one |
/// | 4 | CRC-32 of all before |
extension SampleIndex {
    private static var magic: [UInt8] { Array("UMAEINDX".utf8) }
    private static var currentVersion: UInt32 { 1 }
    private static var headerBytes: Int { 16 + 6 * 8 }
    private static var checksumBytes: Int { 4 }

    /// What there is of each sample besides its name.
    private struct Columns: OptionSet {
        let rawValue: UInt32
        static let places = Columns(rawValue: 1)
        static let labels = Columns(rawValue: 2)
        static let checksums = Columns(rawValue: 4)
        static let known: Columns = [.places, .labels, .checksums]

        var bytesPerSample: Int {
            (contains(.places) ? 16 : 0) + (contains(.labels) ? 4 : 0) + (contains(.checksums) ? 4 : 0)
        }
    }

    package var encoded: [UInt8] {
        var columns: Columns = []
        if places != nil { columns.insert(.places) }
        if labels != nil { columns.insert(.labels) }
        if checksums != nil { columns.insert(.checksums) }
        var writer = ByteWriter(Self.magic)
        writer.append([Self.currentVersion, columns.rawValue])
        for table in [names, files, classes] { writer.append([UInt64(table.count), UInt64(table.bytes.count)]) }
        for table in [names, files, classes] {
            writer.append((0..<table.count).lazy.map { UInt32(table[$0].count) })
            writer.append(table.bytes)
        }
        if let places {
            writer.append(places.lazy.map(\.file))
            writer.append(places.lazy.map(\.size))
            writer.append(places.lazy.map(\.offset))
        }
        if let labels { writer.append(labels) }
        if let checksums { writer.append(checksums) }
        writer.append([Self.checksum(of: writer.bytes[...])])
        return writer.bytes
    }

    /// Whatever the bytes are: what they are decoded to can be used, and takes no more memory than a few times theirs.
    package init(decoding bytes: [UInt8]) throws(IndexFault) {
        var reader = ByteReader(bytes)
        guard bytes.starts(with: Self.magic) else { throw .otherFormat }
        guard bytes.count >= Self.headerBytes + Self.checksumBytes else {
            throw .wrongLength(expected: nil, found: bytes.count)
        }
        reader.skip(Self.magic.count)
        let version: UInt32 = reader.next()
        guard version == Self.currentVersion else { throw .otherVersion(version, known: Self.currentVersion) }
        let columns = Columns(rawValue: reader.next())
        guard columns.isSubset(of: .known) else { throw .impossible("it has columns that are not known") }
        let sizes: [UInt64] = reader.next(6)
        // None is larger than the file, so that their sum does not overflow.
        guard sizes.allSatisfy({ $0 <= UInt64(bytes.count) }) else {
            throw .wrongLength(expected: nil, found: bytes.count)
        }
        let (samples, files, classes) = (Int(sizes[0]), Int(sizes[2]), Int(sizes[4]))
        let expected =
            Self.headerBytes + 4 * (samples + files + classes) + Int(sizes[1]) + Int(sizes[3]) + Int(sizes[5])
            + samples * columns.bytesPerSample + Self.checksumBytes
        guard bytes.count == expected else { throw .wrongLength(expected: expected, found: bytes.count) }
        var last = ByteReader(bytes, at: bytes.count - Self.checksumBytes)
        guard last.next() == Self.checksum(of: bytes.dropLast(Self.checksumBytes)) else { throw .checksumMismatch }

        let names = try Self.names(&reader, count: samples, bytes: Int(sizes[1]))
        let fileNames = try Self.names(&reader, count: files, bytes: Int(sizes[3]))
        let classNames = try Self.names(&reader, count: classes, bytes: Int(sizes[5]))
        let places = columns.contains(.places) ? Self.places(&reader, count: samples) : nil
        let labels: [Int32]? = columns.contains(.labels) ? reader.next(samples) : nil
        let checksums: [UInt32]? = columns.contains(.checksums) ? reader.next(samples) : nil
        self.init(
            names: names, places: places, checksums: checksums, files: fileNames, labels: labels, classes: classNames)
        try check()
    }

    private static func checksum(of bytes: ArraySlice<UInt8>) -> UInt32 {
        var checksum = Checksum()
        unsafe checksum.add(bytes.span.bytes)
        return checksum.value
    }

    private static func names(_ reader: inout ByteReader, count: Int, bytes: Int) throws(IndexFault) -> NameTable {
        let lengths: [UInt32] = reader.next(count)
        var ends: [Int] = []
        ends.reserveCapacity(count)
        var end = 0
        for length in lengths {
            end += Int(length)
            ends.append(end)
        }
        guard end == bytes else { throw .impossible("its names have \(end) bytes, and it has \(bytes) of them") }
        return NameTable(bytes: reader.bytes(bytes), ends: ends)
    }

    private static func places(_ reader: inout ByteReader, count: Int) -> [Place] {
        let files: [UInt32] = reader.next(count)
        let sizes: [UInt32] = reader.next(count)
        let offsets: [UInt64] = reader.next(count)
        return (0..<count).map { Place(file: files[$0], size: sizes[$0], offset: offsets[$0]) }
    }

    // MARK: What decoded values may be

    private func check() throws(IndexFault) {
        guard (places == nil) == (files.count == 0) || count == 0 else {
            throw .impossible(places == nil ? "it names files, and no places in them" : "it names no files")
        }
        // Only what is opened by its name has to be a path; the name of a member is a key.
        for (table, areOpened) in [(names, places == nil), (files, true)] where areOpened {
            for index in 0..<table.count where !Self.staysInside(table[index]) {
                throw .impossible("it names a file outside its directory: \(table.text(index).printable(limit: 200))")
            }
        }
        for (index, place) in (places ?? []).enumerated() where place.file >= files.count || place.end == nil {
            throw .impossible("image \(index) lies in no file")
        }
        let most = classes.count == 0 ? Self.mostClasses : classes.count
        for (index, label) in (labels ?? []).enumerated() where label < 0 || label >= most {
            throw .impossible("image \(index) has the label \(label), and there are \(most) classes")
        }
    }

    /// Whether a path leads to a name in its directory or below it.
    private static func staysInside(_ path: ArraySlice<UInt8>) -> Bool {
        !path.isEmpty && path.first != UInt8(ascii: "/") && !path.contains(0)
            && !path.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
    }
}
