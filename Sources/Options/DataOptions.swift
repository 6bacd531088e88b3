internal import ImageCodecs
package import Datasets
package import ArgumentParser
internal import Communication
package import Host
internal import ImageData
package import Models
package import Pretraining
package import Settings

/// Flags that say on which images.
package struct DataOptions: ParsableArguments {
    @Option(
        help: """
            Directory of IDX files (MNIST, Fashion-MNIST; gzip or plain) or of CIFAR-10/100 binary files, or \
            'synthetic'.
            """, completion: .directory)
    package var dataPath = ImageDataset.defaultPath

    @Option(help: "Images of the synthetic set.") package var syntheticImages = 4096
    @Option(help: "Images that the training set has: a run on data with another number of them is refused.")
    package var images: Int?
    @Option(help: "Batches prepared ahead by a thread of their own; 0 prepares each when it is needed.")
    package var numWorkers = 2
    @Option(
        help: """
            Mean of the pixels, scaled to 0 … 1, of each channel (0.485,0.456,0.406) or of all; images are normalised with \
            it (default: the checkpoint's, or that of the training set).
            """)
    package var mean: ChannelValues?
    @Option(help: "Standard deviation of the pixels, likewise.") package var std: ChannelValues?

    /// As many as labels and orders of images can count.
    private static let imageCount = 1...Int(UInt32.max)

    package init() {}

    package func validate() throws {
        try checkLimits()
        try Bounds.check("--images", images, Self.imageCount)
        try Bounds.check("--num-workers", numWorkers, 0...64)
    }

    /// The images; generated ones fit the model.
    ///
    /// - Parameter share: where ranks of this host make inflated files for each other.
    /// - Throws: if they cannot be read, or are not as many as they should be.
    package func open(
        _ split: ImageDataset.Split, of model: VisionTransformerConfiguration, seed: UInt64, sharing share: HostShare?
    ) throws -> any ImageSource {
        let synthetic = SyntheticImageParameters(
            count: syntheticImages, channels: model.channels,
            size: ImageSize(height: model.imageHeight, width: model.imageWidth), seed: seed)
        let source = try ImageDataset.open(path: dataPath, split: split, synthetic: synthetic, sharing: share)
        if let images, images != source.count {
            throw SettingsError("--images is \(images), and \(dataPath) has \(source.count): is it the data meant?")
        }
        try checkStatistics(channels: source.channels)
        return source
    }
}

extension DataOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, DataConfiguration>] {
        // Images are compared by their identity, wherever they lie.
        [
            FlagBinding("--data-path", \.dataPath, \.dataPath, decidesNumbers: { _ in false }),
            FlagBinding(
                "--synthetic-images", \.syntheticImages, \.syntheticImages, .within(imageCount),
                decidesNumbers: { _ in false }),
            // One value may stand for all channels, and a run that goes on keeps its checkpoint's.
            FlagBinding("--mean", \.mean, .each(.atLeast(0), most: 1), text: { ChannelValues.text($0.mean) }),
            FlagBinding(
                "--std", \.std, .each(.atLeast(1e-6), most: 1), text: { ChannelValues.text($0.standardDeviation) }),
        ]
    }
}
