internal import Host

/// What has to be looked through once to know a data set of many files: its index, and what was seen on the way.
package struct DatasetListing: Hashable, Sendable {
    package let index: SampleIndex
    /// Files or members that are no images by their names: how many, and one of them.
    package let passedOver: Int
    package let example: String
    /// Directories that were looked into, or archives, by their names from the root. Where none of them has changed, the
    /// listing is still true.
    package let watched: NameTable

    package init(index: SampleIndex, passedOver: Int, example: String?, watched: NameTable) {
        self.index = index
        self.passedOver = passedOver
        self.example = example ?? ""
        self.watched = watched
    }

    /// The listing as bytes: for other ranks, and to be kept.
    ///
    /// | bytes | |
    /// |---|---|
    /// | 5 · 8 | files passed over; bytes of the example; number of what is watched, bytes of its names; bytes of the index |
    /// | | the example; the length of each name (4), all names; the index |
    package var encoded: [UInt8] {
        let index = index.encoded
        var writer = ByteWriter([])
        let example = Array(example.utf8)
        writer.append(
            [passedOver, example.count, watched.count, watched.bytes.count, index.count].map { UInt64($0) })
        writer.append(example)
        writer.append((0..<watched.count).lazy.map { UInt32(watched[$0].count) })
        writer.append(watched.bytes)
        writer.append(index)
        return writer.bytes
    }

    /// Nil for bytes that are none of these.
    package init?(decoding bytes: [UInt8]) {
        guard bytes.count >= 40 else { return nil }
        var reader = ByteReader(bytes)
        let sizes: [UInt64] = reader.next(5)
        // None is larger than all of it, so that their sum does not overflow.
        guard sizes[1...].allSatisfy({ $0 <= UInt64(bytes.count) }), sizes[0] <= UInt64(Int32.max) else { return nil }
        let lengths = sizes.map { Int($0) }
        guard bytes.count == 40 + lengths[1] + 4 * lengths[2] + lengths[3] + lengths[4] else { return nil }
        let example = String(decoding: reader.bytes(lengths[1]), as: UTF8.self)
        var ends: [Int] = []
        for length in reader.next(lengths[2]) as [UInt32] { ends.append((ends.last ?? 0) + Int(length)) }
        guard ends.last ?? 0 == lengths[3] else { return nil }
        let watched = NameTable(bytes: reader.bytes(lengths[3]), ends: ends)
        guard let index = try? SampleIndex(decoding: reader.bytes(lengths[4])) else { return nil }
        self.init(index: index, passedOver: lengths[0], example: example, watched: watched)
    }
}
