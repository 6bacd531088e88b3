internal import Datasets
package import ImageArrays
package import ImageSources

extension ImageDataset {
    /// Opens the images of one split, in one process that shares nothing.
    package static func open(
        path: String, split: Split, kind: Kind = .auto, classes: Set<String>? = nil,
        synthetic: SyntheticImageParameters = SyntheticImageParameters()
    ) throws(ImageDataError) -> any ImageSource {
        let found = try find(path: path, split: split, kind: kind, classes: classes)
        return try select(classes, of: found.open(split, synthetic: synthetic))
    }
}
