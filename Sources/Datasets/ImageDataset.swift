import Glibc
internal import Host
internal import ImageArrays
internal import ImageFiles
internal import ImageShards
package import ImageSources

// Finds out which data set a path holds.
extension ImageDataset {
    /// The images of some classes alone; nil takes all. Of a folder the others have not been listed.
    ///
    /// - Throws: if there are no classes that have names, or not these.
    package static func select(
        _ classes: Set<String>?, of source: any ImageSource
    ) throws(ImageDataError) -> any ImageSource {
        guard let classes else { return source }
        guard let images = source as? EncodedImages else { throw .noClassNames(path: source.name) }
        return try images.taking(classes)
    }

    /// Looks what the images of one split are, and opens none of them.
    ///
    /// A directory is recognised by the names in it: IDX files of MNIST or Fashion-MNIST, or the binary files of CIFAR-10 or
    /// CIFAR-100, compressed or not, or .npy files; also further down, as CIFAR's archives unpack and as torchvision keeps
    /// them (`MNIST/raw`). Otherwise JPEG and PNG files are looked for: see `FolderLayout`.
    ///
    /// - Parameters:
    ///   - path: a directory, a .npy file, or the word `synthetic`.
    ///   - kind: what it is, where it should not be found by looking.
    ///   - classes: the names of the directories to list of a folder of classes; nil for all.
    /// - Throws: one line that names the file at fault and says what to do.
    package static func find(
        path: String, split: Split, kind: Kind = .auto, classes: Set<String>? = nil
    ) throws(ImageDataError) -> FoundImages {
        if path == syntheticName { return .synthetic }
        let fileKind = try FileKind.of(path)
        if fileKind == S_IFREG, let images = try ArrayImages.find(in: path, split) { return .numPy(images) }
        // A directory of images may have archives of them beside it.
        if fileKind != S_IFDIR, let images = try findShards(path, split) { return images }
        switch fileKind {
        case nil: throw .missingDirectory(path: path)
        case S_IFDIR: break
        default: throw .notADirectory(path: path)
        }
        switch kind {
        case .auto:
            if let pack = try findPack(path, split) { return .pack(path: pack) }
            if let images = try findArrays(path, split) { return images }
            if let layout = try FolderLayout.find(in: path, split) { return found(layout, classes) }
            if let images = try findShards(path, split) { return images }
        case .arrays:
            if let images = try findArrays(path, split) { return images }
        case .folder:
            if let layout = try FolderLayout.find(in: path, split) { return found(layout, classes) }
        case .flat:
            if let layout = FolderLayout.flat(path) { return found(layout, nil) }
        case .shards:
            if let images = try findShards(path, split) { return images }
        }
        if let layout = UnsupportedLayout.find(in: path) { throw .unsupportedLayout(path: path, layout: layout) }
        throw .unrecognisedDirectory(path: path, split: split.rawValue, lookedFor: lookedFor(split))
    }

    /// .npy, IDX and CIFAR files.
    private static func findArrays(_ path: String, _ split: Split) throws(ImageDataError) -> FoundImages? {
        if let images = try ArrayImages.find(in: path, split) { return .numPy(images) }
        if let images = try findIDX(path, split) { return images }
        for variant in [CIFARFile.Variant.cifar10, .cifar100] {
            for directory in [path, path + "/" + variant.folder] {
                if let images = try findCIFAR(variant, directory, split) { return images }
            }
        }
        let further = try torchvisionDirectories(path)
        guard further.count <= 1 else { throw .ambiguousDirectory(path: path, directories: further) }
        guard let directory = further.first else { return nil }
        return try findIDX(directory, split)
    }

    /// A directory that holds one split may be given for training.
    private static func findPack(_ path: String, _ split: Split) throws(ImageDataError) -> String? {
        let below = FolderLayout.names(of: split).map { Directories.child(path, $0) }
        for directory in below + (split == .train ? [path] : []) where try Pack.isPack(directory) { return directory }
        return nil
    }

    /// Files that hold many images.
    private static func findShards(_ path: String, _ split: Split) throws(ImageDataError) -> FoundImages? {
        if let pack = try findPack(path, split) { return .pack(path: pack) }
        for name in FolderLayout.names(of: split) {
            // What is in such a directory is of that split, whatever its files are called.
            let below = Directories.child(path, name)
            if try FileKind.isDirectory(below), let shards = try ShardList(path: below, split: .train) {
                return found(shards, below)
            }
        }
        return try ShardList(path: path, split: split).map { found($0, path) }
    }

    private static func found(_ shards: ShardList, _ path: String) -> FoundImages {
        .unlisted(UnlistedImages(path: path, root: shards.root, form: .tars(shards.files)))
    }

    /// JPEG and PNG files.
    private static func found(_ layout: FolderLayout, _ classes: Set<String>?) -> FoundImages {
        let form = UnlistedImages.Form.folder(hasClasses: layout.hasClasses, classes: classes)
        return .unlisted(UnlistedImages(path: layout.root, root: layout.root, form: form))
    }

    /// `raw` of a data set's directory, or `MNIST/raw` of the one above.
    private static func torchvisionDirectories(_ path: String) throws(ImageDataError) -> [String] {
        var found: [String] = []
        for name in ["raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw"] {
            if try FileKind.isDirectory(path + "/" + name) { found.append(path + "/" + name) }
        }
        return found
    }

    /// The files by which a data set is recognised, for an error message.
    private static func lookedFor(_ split: Split) -> String {
        "JPEG or PNG files by class (CLASS/*.jpg, \(FolderLayout.names(of: split)[0])/CLASS/*.jpg) or in one directory, "
            + "\(idxStem(split))-images-idx3-ubyte[.gz] (MNIST, Fashion-MNIST), "
            + "\(cifarFiles(.cifar10, split)[0])[.gz] (CIFAR-10), \(cifarFiles(.cifar100, split)[0])[.gz] (CIFAR-100), "
            + ArrayImages.imageNames(split).joined(separator: ", ")
    }

    // MARK: Data sets

    private static func findIDX(_ directory: String, _ split: Split) throws(ImageDataError) -> FoundImages? {
        let stem = idxStem(split)
        let images = try firstFile(in: directory, idxNames("\(stem)-images", "idx3"))
        let labels = try firstFile(in: directory, idxNames("\(stem)-labels", "idx1"))
        if images == nil && labels == nil { return nil }
        guard let images else {
            throw .missingFile(directory: directory, dataset: "MNIST", file: "\(stem)-images-idx3-ubyte.gz")
        }
        let name = directory.split(separator: "/").last { $0 != "raw" }.map(String.init) ?? directory
        return .idx(ArrayImages.Files(name: name, images: images, labels: labels))
    }

    private static func findCIFAR(
        _ variant: CIFARFile.Variant, _ directory: String, _ split: Split
    ) throws(ImageDataError) -> FoundImages? {
        let names = cifarFiles(variant, split)
        var paths: [String] = []
        var missing: String?
        for name in names {
            if let path = try firstFile(in: directory, [name, name + ".gz"]) {
                paths.append(path)
            } else if missing == nil {
                missing = name
            }
        }
        if paths.isEmpty { return nil }
        if let missing { throw .missingFile(directory: directory, dataset: variant.name, file: missing) }
        return .cifar(variant, paths: paths)
    }

    // MARK: Names

    private static func idxStem(_ split: Split) -> String { split == .train ? "train" : "t10k" }

    private static func idxNames(_ stem: String, _ kind: String) -> [String] {
        ["-", "."].flatMap { ["\(stem)\($0)\(kind)-ubyte", "\(stem)\($0)\(kind)-ubyte.gz"] }
    }

    private static func cifarFiles(_ variant: CIFARFile.Variant, _ split: Split) -> [String] {
        switch (variant, split) {
        case (.cifar10, .train): (1...5).map { "data_batch_\($0).bin" }
        case (.cifar10, .test): ["test_batch.bin"]
        case (.cifar100, .train): ["train.bin"]
        case (.cifar100, .test): ["test.bin"]
        }
    }

    private static func firstFile(in directory: String, _ names: [String]) throws(ImageDataError) -> String? {
        for name in names where try FileKind.isFile(directory + "/" + name) { return directory + "/" + name }
        return nil
    }
}
