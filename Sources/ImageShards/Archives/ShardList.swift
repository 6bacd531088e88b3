internal import Glibc
internal import Host
package import ImageFiles
package import ImageSources

/// Which files are the shards of a data set, by what a user gives for them.
package struct ShardList {
    /// The directory that the names of `files` are in.
    package let root: String
    package let files: NameTable

    /// - Parameters:
    ///   - path: one tar, a notation for several, or a directory that holds some.
    ///   - split: decides between the shards of a directory whose names speak of training and of validation.
    /// - Returns: nil where there are none, and nothing speaks for shards.
    package init?(path: String, split: ImageDataset.Split) throws(ImageDataError) {
        switch try FileKind.of(path) {
        case S_IFDIR: try self.init(directory: path, split)
        case S_IFREG:
            guard try Self.isShard(path) else { return nil }
            self.init(paths: [path])
        case nil where path.contains("{"): try self.init(pattern: path)
        default: return nil
        }
    }

    private init?(pattern: String) throws(ImageDataError) {
        guard let paths = ShardNames.expand(pattern) else {
            throw .archive(path: pattern, .tooManyShards(most: ShardNames.most))
        }
        guard paths.count > 1 || paths.first != pattern else { return nil }
        var missing: [String] = []
        for path in paths where try !FileKind.isFile(path) { missing.append(path) }
        if let first = missing.first {
            throw .archive(path: pattern, .missingShards(count: missing.count, of: paths.count, first: first))
        }
        for path in paths { try Self.refuseCompressed(path) }
        self.init(paths: paths)
    }

    private init?(directory: String, _ split: ImageDataset.Split) throws(ImageDataError) {
        let all = try DirectoryEntries(of: Array(directory.utf8)).files
        var (plain, compressed) = ([Int](), [Int]())
        for number in 0..<all.count {
            let name = all.text(number).lowercased()
            if name.hasSuffix(".tar") { plain.append(number) }
            if Self.compressedSuffixes.contains(where: name.hasSuffix) { compressed.append(number) }
        }
        if plain.isEmpty, let first = compressed.first {
            try Self.refuseCompressed(Directories.child(directory, all.text(first)))
        }
        let trained = plain.filter { !Self.isForEvaluation(all.text($0)) }
        switch split {
        case .train: plain = trained.isEmpty ? plain : trained
        case .test: plain.removeAll { !Self.isForEvaluation(all.text($0)) }
        }
        guard !plain.isEmpty else { return nil }
        root = directory
        files = all.reordered(plain)
    }

    /// Paths below the directory that all of them share.
    private init(paths: [String]) {
        var common = paths[0].utf8.prefix(paths[0].utf8.count)[...]
        for path in paths.dropFirst() {
            let shared = zip(common, path.utf8).prefix { $0 == $1 }.count
            common = common.prefix(shared)
        }
        let slash = common.lastIndex(of: UInt8(ascii: "/"))
        let length = slash.map { common.distance(from: common.startIndex, to: $0) + 1 } ?? 0
        root = length == 0 ? "." : String(decoding: paths[0].utf8.prefix(max(length - 1, 1)), as: UTF8.self)
        var files = NameTable()
        for path in paths { files.append(path.utf8.dropFirst(length)) }
        self.files = files
    }

    // MARK: What names and first bytes say

    private static var compressedSuffixes: [String] {
        [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4"]
    }

    private static func isForEvaluation(_ name: String) -> Bool {
        name.lowercased().split { !$0.isLetter }.contains {
            ["val", "valid", "validation", "test", "eval"].contains($0)
        }
    }

    private static func isShard(_ path: String) throws(ImageDataError) -> Bool {
        let name = path.lowercased()
        let isTar =
            name.hasSuffix(".tar")
            || TextFile.beginning(of: path, count: 262)?.dropFirst(257) == Array("ustar".utf8)[...]
        if isTar || compressedSuffixes.contains(where: name.hasSuffix) { try refuseCompressed(path) }
        return isTar
    }

    private static func refuseCompressed(_ path: String) throws(ImageDataError) {
        let start = TextFile.beginning(of: path, count: 10) ?? []
        let methods: [(start: [UInt8], name: String)] = [
            ([0x1F, 0x8B], "gzip"), ([0x28, 0xB5, 0x2F, 0xFD], "zstd"), ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "xz"),
            ([0x04, 0x22, 0x4D, 0x18], "lz4"),
        ]
        if let method = methods.first(where: { start.starts(with: $0.start) }) {
            throw .archive(path: path, .compressed(method.name))
        }
        // The first member of a tar may be called BZh….
        if start.starts(with: "BZh".utf8), start.dropFirst(4).elementsEqual("1AY&SY".utf8) {
            throw .archive(path: path, .compressed("bzip2"))
        }
    }
}
