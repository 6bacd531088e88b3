import Glibc

/// Finds out which data set a path holds and opens it.
package enum ImageDataset {
    package enum Split: String, CaseIterable, Sendable {
        case train, test
    }

    /// Where the Debian package dataset-fashion-mnist puts its files.
    package static var defaultPath: String { "/usr/share/datasets/fashion-mnist" }
    /// The word that stands for generated images in place of a path.
    package static var syntheticName: String { "synthetic" }

    /// Opens the images of one split.
    ///
    /// A directory is recognised by the names of its files: IDX files of MNIST or Fashion-MNIST, compressed or not, or
    /// the binary files of CIFAR-10 or CIFAR-100, also one directory further down as their archives unpack.
    ///
    /// - Parameters:
    ///   - path: a directory, or the word `synthetic`.
    ///   - synthetic: the images to generate for that word; not used otherwise.
    /// - Throws: one line that names the file at fault and says what to do.
    package static func open(
        path: String, split: Split, synthetic: SyntheticImageParameters = SyntheticImageParameters()
    ) throws(ImageDataError) -> any ImageSource {
        if path == syntheticName { return try SyntheticImages(synthetic, split: split) }
        guard isDirectory(path) else { throw .missingDirectory(path: path) }
        if let images = try openIDX(path, split) { return images }
        for variant in [CIFARFile.Variant.cifar10, .cifar100] {
            for directory in [path, path + "/" + variant.folder] {
                if let images = try openCIFAR(variant, directory, split) { return images }
            }
        }
        throw .unrecognisedDirectory(path: path, split: split.rawValue)
    }

    /// The files by which a data set is recognised, for an error message.
    static func lookedFor(_ split: String) -> String {
        let split = Split(rawValue: split) ?? .train
        return "\(idxStem(split))-images-idx3-ubyte[.gz] (MNIST, Fashion-MNIST), "
            + "\(cifarFiles(.cifar10, split)[0]) (CIFAR-10), \(cifarFiles(.cifar100, split)[0]) (CIFAR-100)"
    }

    static func isDefaultPath(_ path: String) -> Bool {
        path == defaultPath || path == defaultPath + "/"
    }

    // MARK: Data sets

    private static func openIDX(_ directory: String, _ split: Split) throws(ImageDataError) -> (any ImageSource)? {
        let stem = idxStem(split)
        let images = firstFile(in: directory, idxNames("\(stem)-images", "idx3"))
        let labels = firstFile(in: directory, idxNames("\(stem)-labels", "idx1"))
        if images == nil && labels == nil { return nil }
        guard let images else {
            throw .missingFile(directory: directory, dataset: "MNIST", file: "\(stem)-images-idx3-ubyte.gz")
        }
        let name = directory.split(separator: "/").last.map(String.init) ?? directory
        return try IDXFile.open(name: name, images: images, labels: labels)
    }

    private static func openCIFAR(
        _ variant: CIFARFile.Variant, _ directory: String, _ split: Split
    ) throws(ImageDataError) -> (any ImageSource)? {
        let names = cifarFiles(variant, split)
        let missing = names.filter { !isFile(directory + "/" + $0) }
        if missing.count == names.count { return nil }
        if let file = missing.first {
            throw .missingFile(directory: directory, dataset: variant.name, file: file)
        }
        return try CIFARFile.open(variant, paths: names.map { directory + "/" + $0 })
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

    private static func firstFile(in directory: String, _ names: [String]) -> String? {
        names.map { directory + "/" + $0 }.first(where: isFile)
    }

    private static func isFile(_ path: String) -> Bool { kind(of: path) == S_IFREG }

    private static func isDirectory(_ path: String) -> Bool { kind(of: path) == S_IFDIR }

    private static func kind(of path: String) -> mode_t? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
    }
}
