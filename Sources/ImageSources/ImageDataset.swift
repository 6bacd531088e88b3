/// The words that say which data set is meant.
package enum ImageDataset {
    package enum Split: String, CaseIterable, Sendable {
        case train, test
    }

    /// What a path holds.
    package enum Kind: String, CaseIterable, Sendable {
        /// It is looked at.
        case auto
        /// .npy, IDX or CIFAR files.
        case arrays
        /// A directory of JPEG and PNG files for each class.
        case folder
        /// JPEG and PNG files in one directory, without labels.
        case flat
        /// Files that hold many JPEG and PNG images each.
        case shards
    }

    /// Where the Debian package dataset-fashion-mnist puts its files.
    package static var defaultPath: String { "/usr/share/datasets/fashion-mnist" }
    /// The word that stands for generated images in place of a path.
    package static var syntheticName: String { "synthetic" }

    static func isDefaultPath(_ path: String) -> Bool {
        path == defaultPath || path == defaultPath + "/"
    }
}
