import TestSupport
import ImageFiles
import ImageSources

/// The images of a tar, or of several; nil where there are none.
func openTar(_ path: String, split: ImageDataset.Split = .train) throws -> EncodedImages? {
    do {
        return try ImageDataset.open(path: path, split: split, kind: .shards) as? EncodedImages
    } catch ImageDataError.unrecognisedDirectory, ImageDataError.missingDirectory, ImageDataError.notADirectory {
        return nil
    }
}
