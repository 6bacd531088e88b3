internal import Glibc
internal import Host
package import ImageSources

/// Where the images of a split lie in a tree of directories, found by looking at few of them.
package struct FolderLayout: Equatable {
    /// The directory that holds a directory for each class, or the images themselves.
    package let root: String
    package let hasClasses: Bool

    /// Names that directories of a split go by.
    package static func names(of split: ImageDataset.Split) -> [String] {
        split == .train ? ["train", "training"] : ["val", "test", "validation", "valid"]
    }

    /// How `path` is laid out; nil if there are no images in it.
    ///
    /// - Throws: if it is one level above the images or below them, named with the directory to give.
    package static func find(in path: String, _ split: ImageDataset.Split) throws(ImageDataError) -> FolderLayout? {
        for name in names(of: split) {
            let below = Directories.child(path, name)
            if let layout = look(at: below) { return layout }
        }
        guard let layout = look(at: path) else {
            if let deeper = dataSet(below: path, split) { throw .oneLevelTooHigh(path: path, dataSet: deeper) }
            return nil
        }
        let looksLikeSplits = ImageDataset.Split.allCases.flatMap { names(of: $0) }
        if layout.hasClasses {
            // Directories of splits are no classes: this is another split than the one wanted, alone.
            if Glance(path).directories.allSatisfy({ looksLikeSplits.contains($0) }) {
                throw .missingSplit(path: path, split: names(of: split))
            }
            if let deeper = dataSet(below: path, split) { throw .oneLevelTooHigh(path: path, dataSet: deeper) }
            return layout
        }
        if let above = classes(around: path) { throw .oneClass(path: path, dataSet: above) }
        return layout
    }

    /// The images of one directory, whatever is around it.
    package static func flat(_ path: String) -> FolderLayout? {
        Glance(path).hasImage ? FolderLayout(root: path, hasClasses: false) : nil
    }

    /// Whether a directory has images, or directories that have some.
    static func look(at path: String) -> FolderLayout? {
        let glance = Glance(path)
        for name in glance.directories.prefix(4) where Glance.findsImage(below: Directories.child(path, name), depth: 3)
        {
            return FolderLayout(root: path, hasClasses: true)
        }
        return glance.hasImage ? FolderLayout(root: path, hasClasses: false) : nil
    }

    /// The only data set one or two levels below, where there is a directory for its images of this split; or where the
    /// one directory here holds all classes.
    private static func dataSet(below path: String, _ split: ImageDataset.Split) -> String? {
        for name in Glance(path).directories.prefix(16) {
            let below = Directories.child(path, name)
            for split in names(of: split) where look(at: Directories.child(below, split)) != nil { return below }
        }
        guard let only = Glance(path).directories.only else { return nil }
        let below = Directories.child(path, only)
        let glance = Glance(below)
        guard !glance.hasImage, glance.directories.count > 1 else { return nil }
        return look(at: below) == nil ? nil : below
    }

    /// The directory above, if this one is a class among others.
    private static func classes(around path: String) -> String? {
        guard let full = Directories.resolved(path) else { return nil }
        let parent = Directories.parent(of: full)
        let siblings = Glance(parent).directories.prefix(4).filter {
            Glance(Directories.child(parent, $0)).hasImage && Directories.child(parent, $0) != full
        }
        // A directory of pictures may well lie beside another one, but not beside several.
        return siblings.count >= 2 ? parent : nil
    }
}

/// The first names in a directory: enough to see what it is, of one that may have millions. Nothing where it cannot be read.
private struct Glance {
    let directories: [String]
    let hasImage: Bool
    private static var most: Int { 256 }

    init(_ path: String) {
        let entries = ((try? Directories.entries(in: Array(path.utf8), atMost: Self.most)) ?? [])
            .filter { !$0.isHidden }.map {
                (name: String(decoding: $0.name, as: UTF8.self), isDirectory: $0.isDirectory)
            }
        hasImage = entries.contains { !$0.isDirectory && FolderListing.isImage($0.name) }
        directories = entries.filter { $0.isDirectory && !FolderListing.isImage($0.name) }.map(\.name).sorted()
    }

    static func findsImage(below path: String, depth: Int) -> Bool {
        let glance = Glance(path)
        if glance.hasImage { return true }
        guard depth > 1 else { return false }
        return glance.directories.prefix(2).contains {
            findsImage(below: Directories.child(path, $0), depth: depth - 1)
        }
    }
}

extension Collection {
    /// The element of a collection that has one.
    fileprivate var only: Element? { count == 1 ? first : nil }
}
