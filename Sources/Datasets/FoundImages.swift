package import Host
package import ImageArrays
internal import ImageFiles
internal import ImageShards
package import ImageSources

/// A data set that was found by looking, before any of its files is opened: what one rank tells the others.
package enum FoundImages: Hashable, Codable, Sendable {
    case synthetic
    case numPy(ArrayImages.Files)
    case idx(ArrayImages.Files)
    case cifar(CIFARFile.Variant, paths: [String])
    case pack(path: String)
    /// Files that have to be listed first.
    case unlisted(UnlistedImages)

    /// Opens the images; those that have to be listed are listed, without a cache.
    ///
    /// - Parameters:
    ///   - split: of generated images.
    ///   - synthetic: the images to generate; not used otherwise.
    ///   - share: where processes of this host make the content of files for each other; nil for one that is alone.
    package func open(
        _ split: ImageDataset.Split, synthetic: SyntheticImageParameters = SyntheticImageParameters(),
        sharing share: HostShare? = nil
    ) throws(ImageDataError) -> any ImageSource {
        switch self {
        case .synthetic: try SyntheticImages(synthetic, split: split)
        case .numPy(let files): try ArrayImages.open(numPy: files, sharing: share)
        case .idx(let files):
            try IDXFile.open(name: files.name, images: files.images, labels: files.labels, sharing: share)
        case .cifar(let variant, let paths): try CIFARFile.open(variant, paths: paths, sharing: share)
        case .pack(let path): try Pack.open(path: path)
        case .unlisted(let images): try images.open(try images.list())
        }
    }
}
