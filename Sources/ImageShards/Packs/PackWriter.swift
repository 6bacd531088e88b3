package import Host
package import ImageFiles

/// Writes a pack. It has its name only when all of it is on the device; until then the directory is called `NAME.partial`.
package struct PackWriter: ~Copyable {
    private let path: String
    private let partial: String
    private let shardBytes: Int
    private var shard: ChecksummedFile?
    /// Bytes of the shard that is being written.
    private var size = 0
    private var files = NameTable()
    private var places: [SampleIndex.Place] = []
    private var checksums: [UInt32] = []
    package private(set) var bytes = 0

    /// - Parameters:
    ///   - path: of the directory, which must not be there yet.
    ///   - shardBytes: after so many bytes another file is begun.
    /// - Throws: if something of that name is there, or nothing can be written.
    package init(path: String, shardBytes: Int) throws(PackError) {
        precondition(shardBytes > 0)
        self.path = Directories.trimmed(path)
        partial = self.path + ".partial"
        self.shardBytes = shardBytes
        guard !Directories.exists(self.path) else { throw .isThere(path: self.path) }
        let isNew: Bool
        do throws(FileError) {
            isNew = try Directories.createExclusively(partial)
        } catch {
            throw .file(error)
        }
        guard isNew else { throw .isUnfinished(path: partial) }
    }

    /// Adds the next image.
    package mutating func append(_ image: Span<UInt8>) throws(FileError) {
        if size >= shardBytes { try finishShard() }
        if shard == nil {
            let name = Pack.shardName(files.count)
            shard = try ChecksummedFile(path: Directories.child(partial, name))
            files.append(name)
        }
        var checksum = Checksum()
        unsafe checksum.add(image.bytes)
        checksums.append(checksum.value)
        places.append(
            SampleIndex.Place(file: UInt32(files.count - 1), size: UInt32(image.count), offset: UInt64(size)))
        unsafe try shard?.append(image.bytes)
        size += image.count
        bytes += image.count
    }

    /// Ends a pack of all images of `source`, which were added in their order. Where that fails, nothing is left.
    ///
    /// - Returns: how many files of images it has.
    package consuming func finish(as source: SampleIndex) throws(FileError) -> Int {
        precondition(source.count == places.count)
        do throws(FileError) {
            try finishShard()
            let index = SampleIndex(
                names: source.names, places: places, checksums: checksums, files: files, labels: source.labels,
                classes: source.classes)
            var file = try ChecksummedFile(path: Directories.child(partial, Pack.indexName))
            try file.append(index.encoded)
            _ = try file.finish()
            try Directories.sync(partial)
            try Directories.rename(partial, to: path)
        } catch {
            try? Directories.remove(partial)
            throw error
        }
        try Directories.sync(Directories.parent(of: path))
        return files.count
    }

    /// Removes what was written.
    package consuming func abandon() {
        shard = nil
        // What cannot be removed has a name that says what it is.
        try? Directories.remove(partial)
    }

    private mutating func finishShard() throws(FileError) {
        guard let full = shard.take() else { return }
        _ = try full.finish()
        size = 0
    }
}

/// Why a pack cannot be begun.
package enum PackError: Error, Equatable, CustomStringConvertible {
    case isThere(path: String)
    case isUnfinished(path: String)
    case file(FileError)

    package var description: String {
        switch self {
        case .isThere(let path): "\(path): is there already; choose another directory"
        case .isUnfinished(let path):
            "\(path): another program is writing this pack, or was interrupted; if none is, remove it"
        case .file(let error): error.description
        }
    }
}
