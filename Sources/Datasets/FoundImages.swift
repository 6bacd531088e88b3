internal import Host
package import ImageFiles
internal import ImageShards
package import ImageSources

/// A data set that was found by looking, before its files are listed.
package enum FoundImages: Sendable {
    /// There is nothing to list.
    case source(any ImageSource)
    case unlisted(UnlistedImages)

    package var isListed: Bool {
        if case .unlisted = self { true } else { false }
    }
}

/// JPEG and PNG files, or archives of them, of which it is known where they are.
package struct UnlistedImages: Hashable, Sendable {
    enum Form: Hashable, Sendable {
        case folder(hasClasses: Bool, classes: Set<String>?)
        case tars(NameTable)
    }

    /// What logs call it, before its name is looked at.
    let path: String
    let root: String
    let form: Form

    /// What decides which images there are: ranks compare it, and a listing is kept for it.
    package var description: String {
        let place = Directories.resolved(root) ?? root
        switch form {
        case .folder(let hasClasses, let classes):
            let chosen = classes.map { ", of \($0.sorted().joined(separator: " "))" } ?? ""
            return "\(place)\(hasClasses ? ", by class" : "")\(chosen)"
        case .tars(let files): return "\(place): \((0..<files.count).map(files.text).joined(separator: " "))"
        }
    }

    /// Looks at every file, or at the listing that was kept.
    ///
    /// - Parameters:
    ///   - cache: where listings are kept; nil for nowhere.
    ///   - keeping: whether one that is made is kept.
    ///   - progress: is told the number of images found so far, now and then.
    package func list(
        _ cache: ListingCache? = nil, keeping: Bool = true, progress: @escaping (Int) -> Void = { _ in }
    ) throws(ImageDataError) -> DatasetListing {
        if let kept = cache?.listing(of: description, root: root) { return kept }
        let listing: DatasetListing
        switch form {
        case .folder(let hasClasses, let classes):
            let folder = try FolderListing(root, hasClasses: hasClasses, classes: classes, progress: progress)
            listing = DatasetListing(
                index: folder.index, passedOver: folder.others.count, example: folder.others.example,
                watched: folder.directories)
        case .tars(let files):
            let tar = try TarIndex(root: root, files: files, progress: progress)
            listing = DatasetListing(
                index: tar.index, passedOver: tar.others.count, example: tar.others.example, watched: files)
        }
        if keeping { cache?.keep(listing, of: description, root: root) }
        return listing
    }

    package func open(_ listing: DatasetListing) throws(ImageDataError) -> EncodedImages {
        let name: String
        var form: String
        switch self.form {
        case .folder(let hasClasses, _):
            name = EncodedImages.name(of: root)
            form = hasClasses ? "image files by class" : "image files"
        case .tars(let files):
            name = Directories.lastComponent(path)
            form = counted(files.count, "tar shard")
            if listing.index.labels != nil {
                form += listing.index.classes.count > 0 ? ", classes by directory" : ", labels beside images"
            }
        }
        let others =
            listing.passedOver == 0
            ? []
            : [
                "\(counted(listing.passedOver, "file")) of \(path) passed over, neither JPEG nor PNG by name, such as "
                    + listing.example.printable(limit: 80)
            ]
        return try EncodedImages(name: name, root: root, index: listing.index, form: form, notes: others)
    }
}
