/// The image files of a directory, as torchvision's ImageFolder finds them: a class for each directory in it, named after it
/// and numbered in their order; or, where there are no such directories, files without labels.
///
/// Classes and files are in the order of their names' bytes; below a class, in the order of their paths. Names that begin with
/// a dot are passed over.
package struct FolderListing: Sendable {
    package private(set) var index: SampleIndex
    /// Files that are no images by their names: how many, and one of them.
    package private(set) var others: (count: Int, example: String?) = (0, nil)
    /// Directories that were looked into, from the root, and when each was changed.
    package private(set) var directories = NameTable()

    /// Extensions, whatever the case.
    static var extensions: [String] { ["jpg", "jpeg", "png"] }

    /// - Parameters:
    ///   - root: holds a directory for each class, or images.
    ///   - classes: the names of those to take; nil for all.
    ///   - progress: is told the number of images found so far, now and then.
    package init(
        _ root: String, classes wanted: Set<String>? = nil, progress: @escaping (Int) -> Void = { _ in }
    ) throws(ImageDataError) {
        index = SampleIndex(names: NameTable(), labels: nil)
        let top = try DirectoryEntries(of: Array(root.utf8))
        var walk = Walk(root: Array(root.utf8), progress: progress)
        var classes = NameTable()
        var labels: [Int32] = []
        directories.append("")
        var empty: [String] = []
        for number in 0..<top.directories.count {
            let name = top.directories[number]
            let text = top.directories.text(number)
            if let wanted, !wanted.contains(text) { continue }
            let before = walk.names.count
            try walk.add(Array(name))
            if walk.names.count == before {
                empty.append(text)
                continue
            }
            labels.append(contentsOf: repeatElement(Int32(classes.count), count: walk.names.count - before))
            classes.append(name)
        }
        if let missing = wanted?.filter({ classes.index(of: $0.utf8) == nil }).sorted(), let first = missing.first {
            throw .missingClasses(path: root, count: missing.count, first: first)
        }
        guard classes.count > 0 else {
            for number in 0..<top.files.count { walk.take(top.files[number], below: []) }
            (others, directories) = (walk.others, walk.directories(after: directories))
            index = SampleIndex(names: walk.names, labels: nil)
            return
        }
        // A class without images would be counted by torchvision as an error too: labels would not be what one thinks.
        if let first = empty.first { throw .emptyClasses(path: root, count: empty.count, first: first) }
        for number in 0..<top.files.count { walk.passOver(top.files[number]) }
        (others, directories) = (walk.others, walk.directories(after: directories))
        index = SampleIndex(names: walk.names, labels: labels, classes: classes)
    }
}

/// What has been found so far.
private struct Walk {
    let root: [UInt8]
    let progress: (Int) -> Void
    var names = NameTable()
    var others: (count: Int, example: String?) = (0, nil)
    private var visited = NameTable()

    init(root: [UInt8], progress: @escaping (Int) -> Void) {
        self.root = root
        self.progress = progress
    }

    func directories(after first: NameTable) -> NameTable {
        var all = first
        for index in 0..<visited.count { all.append(visited[index]) }
        return all
    }

    /// All images in a directory of a class and below it.
    mutating func add(_ path: [UInt8]) throws(ImageDataError) {
        var found: [(path: [UInt8], entries: DirectoryEntries)] = []
        try descend(path, ancestors: [], into: &found)
        // The order of torchvision: `sorted(os.walk(directory))`.
        for (path, entries) in found.sorted(by: { $0.path.lexicographicallyPrecedes($1.path) }) {
            visited.append(path)
            for number in 0..<entries.files.count { take(entries.files[number], below: path) }
        }
        progress(names.count)
    }

    private func descend(
        _ path: [UInt8], ancestors: [[UInt64]], into found: inout [(path: [UInt8], entries: DirectoryEntries)]
    ) throws(ImageDataError) {
        let full = root + [UInt8(ascii: "/")] + path
        // A link may lead back to a directory above it.
        guard let identity = DirectoryEntries.identity(full), !ancestors.contains(identity) else { return }
        let entries = try DirectoryEntries(of: full)
        found.append((path, entries))
        for number in 0..<entries.directories.count {
            try descend(
                path + [UInt8(ascii: "/")] + entries.directories[number], ancestors: ancestors + [identity],
                into: &found)
        }
    }

    mutating func take(_ name: ArraySlice<UInt8>, below path: [UInt8]) {
        guard Self.isImage(name) else { return passOver(name) }
        names.append(path.isEmpty ? Array(name) : path + [UInt8(ascii: "/")] + name)
    }

    mutating func passOver(_ name: ArraySlice<UInt8>) {
        others = (others.count + 1, others.example ?? String(decoding: name, as: UTF8.self))
    }

    private static func isImage(_ name: ArraySlice<UInt8>) -> Bool {
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")) else { return false }
        return FolderListing.extensions.contains(String(decoding: name[(dot + 1)...], as: UTF8.self).lowercased())
    }
}
