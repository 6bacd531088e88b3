package import Communication
internal import ImageArrays
internal import ImageCodecs
internal import ImageFiles
package import ImageSources
package import Models
internal import Settings
internal import TrainingRuns

extension DataOptions {
    /// The images, to be trained on; generated ones fit the model. Collective.
    ///
    /// - Parameters:
    ///   - keepsListing: whether a listing that took long is kept for other runs.
    ///   - say: is told how far the listing is, if it takes long.
    /// - Throws: if they cannot be read, or are not as many as they should be.
    package func open(
        _ split: ImageDataset.Split, of model: VisionTransformerConfiguration, seed: UInt64, keepsListing: Bool,
        in world: any Communicator, say: @escaping (String) -> Void
    ) throws -> any ImageSource {
        var opening = opening
        opening.keepsListing = keepsListing
        opening.copiesArrays = true
        opening.synthetic = SyntheticImageParameters(
            count: syntheticImages, channels: model.channels,
            size: ImageSize(height: model.imageHeight, width: model.imageWidth), seed: seed)
        opening.say = say
        let source = try opening.open(split, in: world)
        var configuration = DataConfiguration()
        apply(to: &configuration)
        return try world.agree {
            if let images, images != source.count {
                throw SettingsError(
                    "--images is \(images), and \(dataPath) has \(source.count): is it the data meant?")
            }
            try checkStatistics(of: source)
            return (source as? EncodedImages)?.decoded(configuration.decoding) ?? source
        }
    }

    /// Where these flags say that images are.
    package var opening: DataOpening {
        var opening = DataOpening(path: dataPath)
        opening.kind = dataKind
        opening.classes = classes
        opening.cacheDirectory = cacheDir
        return opening
    }
}
