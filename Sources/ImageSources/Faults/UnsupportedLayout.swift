/// A form of a data set that is recognised, and not read yet.
package enum UnsupportedLayout: Equatable, Sendable {
    /// The pickled batches that torchvision downloads.
    case cifarForPython(name: String, archive: String)
    /// A directory of image files, or one for each class, of other formats than JPEG and PNG.
    case imageFolder(example: String)

    var description: String {
        switch self {
        case .cifarForPython(let name, let archive):
            "holds \(name) as Python's pickled batches, which are not read yet; fetch its binary version, "
                + "\(archive)"
        case .imageFolder(let example):
            "holds image files such as \(example), which are not read yet; give JPEG or PNG files"
        }
    }
}
