package import Host
package import ImageSources

extension ArrayImages {
    /// A file of images, and one of their labels if there are any.
    package struct Files: Hashable, Codable, Sendable {
        /// What logs call the data set.
        package let name: String
        package let images: String
        package let labels: String?

        package init(name: String, images: String, labels: String?) {
            self.name = name
            self.images = images
            self.labels = labels
        }
    }

    /// .npy files: one alone, without labels, or that of a directory, with the labels beside it if there are any.
    ///
    /// - Parameter path: a file whose name ends in `.npy`, whatever the split, or a directory.
    /// - Returns: nil if there is nothing of the kind.
    package static func find(in path: String, _ split: ImageDataset.Split) throws(ImageDataError) -> Files? {
        let name = Directories.lastComponent(path)
        if try FileKind.isFile(path) {
            guard path.lowercased().hasSuffix(numPySuffix) else { return nil }
            return Files(name: name, images: path, labels: nil)
        }
        guard try FileKind.isDirectory(path) else { return nil }
        let images = try files(in: path, imageNames(split))
        guard let first = images.first else { return nil }
        guard images.count == 1 else { throw .ambiguousDirectory(path: path, directories: images) }
        let labels = try files(in: path, labelNames(split))
        guard labels.count <= 1 else { throw .ambiguousLabels(path: path, files: labels) }
        return Files(name: name, images: first, labels: labels.first)
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

    /// The images of .npy files.
    ///
    /// - Parameter share: where processes of this host make the content of files for each other.
    package static func open(
        numPy files: Files, sharing share: HostShare? = nil
    ) throws(ImageDataError) -> ArrayImages {
        let (part, layout) = try NumPyFile.images(files.images, sharing: share)
        let values = try files.labels.map { (path) throws(ImageDataError) in
            try NumPyFile.labels(path, of: files.images, count: part.count)
        }
        return ArrayImages(
            name: files.name, parts: [part], layout, labels: values ?? [],
            classCount: values.map { Int($0.max() ?? 0) + 1 })
    }
}
