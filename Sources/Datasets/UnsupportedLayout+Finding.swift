internal import Host
internal import ImageArrays
internal import ImageSources

extension UnsupportedLayout {
    /// What is to be seen in a directory that holds no data set that is read.
    static func find(in directory: String) -> UnsupportedLayout? {
        for variant in [CIFARFile.Variant.cifar10, .cifar100] {
            for place in [directory, directory + "/" + variant.pythonFolder] {
                let files = Set(names(place))
                if files.contains(variant.pythonFile) && files.contains(where: variant.pythonMetadata.contains) {
                    return .cifarForPython(name: variant.name, archive: variant.archive)
                }
            }
        }
        return imageFile(below: directory, "", depth: 3).map { .imageFolder(example: $0) }
    }

    /// Names that do not begin with a dot, of the first 64 at most: ImageNet's directories have a thousand. None where the
    /// directory cannot be read.
    private static func names(_ directory: String) -> [String] {
        ((try? Directories.names(in: directory, atMost: 64)) ?? []).filter { !$0.hasPrefix(".") }
    }

    /// The first image file in the directory, or in those below it, by its path from there.
    private static func imageFile(below directory: String, _ prefix: String, depth: Int) -> String? {
        let names = names(directory + "/" + prefix).sorted()
        if let image = names.first(where: { isImage($0) }) { return prefix + image }
        guard depth > 1 else { return nil }
        for name in names.prefix(8) {
            if let image = imageFile(below: directory, prefix + name + "/", depth: depth - 1) { return image }
        }
        return nil
    }

    private static func isImage(_ name: String) -> Bool {
        [".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm"].contains { name.lowercased().hasSuffix($0) }
    }
}

extension CIFARFile.Variant {
    /// Where the binary version is published.
    fileprivate var archive: String {
        switch self {
        case .cifar10: "cifar-10-binary.tar.gz"
        case .cifar100: "cifar-100-binary.tar.gz"
        }
    }

    fileprivate var pythonFolder: String {
        switch self {
        case .cifar10: "cifar-10-batches-py"
        case .cifar100: "cifar-100-python"
        }
    }

    fileprivate var pythonFile: String {
        switch self {
        case .cifar10: "data_batch_1"
        case .cifar100: "train"
        }
    }

    fileprivate var pythonMetadata: [String] { ["batches.meta", "meta"] }
}
