package import ImageSources

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
    private static var extensions: [String] { [".jpg", ".jpeg", ".png"] }

    package static func isImage(_ name: String) -> Bool {
        let name = name.lowercased()
        return extensions.contains { name.hasSuffix($0) }
    }

    package let root: String

    /// - Parameters:
    ///   - root: holds a directory for each class, or images.
    ///   - hasClasses: which of them.
    ///   - classes: the names of those to take; nil for all.
    ///   - progress: is told the number of images found so far, now and then.
    package init(
        _ root: String, hasClasses: Bool, classes wanted: Set<String>? = nil,
        progress: @escaping (Int) -> Void = { _ in }
    ) throws(ImageDataError) {
        self.root = root
        let top = try DirectoryEntries(of: Array(root.utf8))
        var walk = Walk(root: Array(root.utf8), progress: progress)
        if hasClasses {
            index = try Self.classes(of: top, in: root, wanted, &walk)
            for number in 0..<top.files.count { walk.passOver(top.files[number]) }
        } else {
            for number in 0..<top.files.count { walk.take(top.files[number], below: []) }
            index = SampleIndex(names: walk.names, labels: nil)
        }
        others = walk.others
        directories.append("")
        for number in 0..<walk.visited.count { directories.append(walk.visited[number]) }
    }

    private static func classes(
        of top: DirectoryEntries, in root: String, _ wanted: Set<String>?, _ walk: inout Walk
    ) throws(ImageDataError) -> SampleIndex {
        var classes = NameTable()
        var labels: [Int32] = []
        var empty: [String] = []
        for number in 0..<top.directories.count {
            let name = top.directories[number]
            if let wanted, !wanted.contains(top.directories.text(number)) { continue }
            let before = walk.names.count
            try walk.add(Array(name))
            if walk.names.count == before { empty.append(top.directories.text(number)) }
            labels.append(contentsOf: repeatElement(Int32(classes.count), count: walk.names.count - before))
            classes.append(name)
        }
        let missing = wanted?.filter { classes.index(of: $0.utf8) == nil }.sorted() ?? []
        if let first = missing.first { throw .missingClasses(path: root, count: missing.count, first: first) }
        // torchvision refuses them too: labels would not be what one thinks.
        if let first = empty.first { throw .emptyClasses(path: root, count: empty.count, first: first) }
        return SampleIndex(names: walk.names, labels: labels, classes: classes)
    }
}

/// What has been found so far.
private struct Walk {
    let root: [UInt8]
    let progress: (Int) -> Void
    var names = NameTable()
    var others: (count: Int, example: String?) = (0, nil)
    /// Directories of classes, and those below them.
    var visited = NameTable()

    init(root: [UInt8], progress: @escaping (Int) -> Void) {
        self.root = root
        self.progress = progress
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
        guard FolderListing.isImage(String(decoding: name, as: UTF8.self)) else { return passOver(name) }
        names.append(path.isEmpty ? Array(name) : path + [UInt8(ascii: "/")] + name)
    }

    mutating func passOver(_ name: ArraySlice<UInt8>) {
        others = (others.count + 1, others.example ?? String(decoding: name, as: UTF8.self))
    }

}
