package import Host
package import ImageSources

extension ArrayImages {
    /// The images of .npy files: those of one file, without labels, or of a directory that has one, with the labels beside
    /// it if there are any.
    ///
    /// - Parameters:
    ///   - path: a file whose name ends in `.npy`, whatever the split, or a directory.
    ///   - share: where processes of this host make inflated files for each other.
    /// - Returns: nil if there is nothing of the kind.
    package static func open(
        path: String, split: ImageDataset.Split, sharing share: HostShare? = nil
    ) throws(ImageDataError) -> (any ImageSource)? {
        if try FileKind.isFile(path) {
            guard path.lowercased().hasSuffix(numPySuffix) else { return nil }
            return try open(images: path, labels: nil, name: Directories.lastComponent(path), share)
        }
        guard try FileKind.isDirectory(path) else { return nil }
        let images = try files(in: path, imageNames(split))
        guard let first = images.first else { return nil }
        guard images.count == 1 else { throw .ambiguousDirectory(path: path, directories: images) }
        let labels = try files(in: path, labelNames(split))
        guard labels.count <= 1 else { throw .ambiguousLabels(path: path, files: labels) }
        return try open(images: first, labels: labels.first, name: Directories.lastComponent(path), share)
    }

    private static var numPySuffix: String { ".npy" }

    /// Files of which a directory may have one.
    package static func imageNames(_ split: ImageDataset.Split) -> [String] {
        switch split {
        case .train: ["images.npy", "x_train.npy", "train.npy"]
        case .test: ["x_test.npy", "test.npy"]
        }
    }

    private static func labelNames(_ split: ImageDataset.Split) -> [String] {
        switch split {
        case .train: ["labels.npy", "y_train.npy"]
        case .test: ["y_test.npy"]
        }
    }

    private static func files(in directory: String, _ names: [String]) throws(ImageDataError) -> [String] {
        var found: [String] = []
        for name in names where try FileKind.isFile(Directories.child(directory, name)) {
            found.append(Directories.child(directory, name))
        }
        return found
    }

    private static func open(
        images: String, labels: String?, name: String, _ share: HostShare?
    ) throws(ImageDataError) -> ArrayImages {
        let (part, layout) = try NumPyFile.images(images, sharing: share)
        let values = try labels.map { (path) throws(ImageDataError) in
            try NumPyFile.labels(path, of: images, count: part.count)
        }
        return ArrayImages(
            name: name, parts: [part], layout, labels: values ?? [],
            classCount: values.map { Int($0.max() ?? 0) + 1 })
    }
}
