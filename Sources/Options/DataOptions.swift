package import ArgumentParser
internal import Communication
package import ImageData
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
    /// - Throws: if they cannot be read, or are not as many as they should be.
    package func open(
        _ split: ImageDataset.Split, of model: VisionTransformerConfiguration, seed: UInt64
    ) throws -> any ImageSource {
        let synthetic = SyntheticImageParameters(
            count: syntheticImages, channels: model.channels,
            size: ImageSize(height: model.imageHeight, width: model.imageWidth), seed: seed)
        let source = try ImageDataset.open(path: dataPath, split: split, synthetic: synthetic)
        if let images, images != source.count {
            throw SettingsError("--images is \(images), and \(dataPath) has \(source.count): is it the data meant?")
        }
        return source
    }
}

extension DataOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, DataConfiguration>] {
        // Images are compared by their checksum, wherever they lie.
        [
            FlagBinding("--data-path", \.dataPath, \.dataPath, decidesNumbers: { _ in false }),
            FlagBinding(
                "--synthetic-images", \.syntheticImages, \.syntheticImages, .within(imageCount),
                decidesNumbers: { _ in false }),
        ]
    }
}
