package import Augmentation
package import ImageCodecs

/// Where a run's images come from, and what they are normalised with.
package struct DataConfiguration: Codable, Equatable, Sendable {
    /// A directory, or `synthetic`.
    package var dataPath = "synthetic"
    /// Images of the synthetic set.
    package var syntheticImages = 4096
    package var augmentation = Augmentation.mae
    /// The smallest part of an image's area that a random crop may have.
    package var cropMin = 0.2
    /// What becomes of the orientation that EXIF notes.
    package var exif = Decoding.Exif.ignore
    /// How much of the pixels of JPEG images counts.
    package var fidelity = Decoding.Fidelity.exact
    /// Mean and standard deviation of the pixels, scaled to 0 ... 1, by channel; nil while they are neither given nor
    /// computed.
    package var mean: [Float]?
    package var standardDeviation: [Float]?

    package enum Augmentation: String, Codable, CaseIterable, Sendable {
        /// A random crop and a flip: facebookresearch/mae `main_pretrain.py`.
        case mae
        /// The same without the flip.
        case crop
        /// The middle of the image, whose shorter side is resized to the model's.
        case none
    }

    package init() {}

    /// How JPEG and PNG images are decoded.
    package var decoding: Decoding {
        var decoding = Decoding()
        decoding.exif = exif
        decoding.fidelity = fidelity
        return decoding
    }

    /// What is taken of an image for a model of that size.
    package func augmentation(for size: ImageSize) -> ImageAugmentation {
        switch augmentation {
        case .mae: .crop(RandomResizedCrop(scale: cropMin...1))
        case .crop: .crop(RandomResizedCrop(scale: cropMin...1), flipProbability: 0)
        case .none: .center(shorterSide: max(size.height, size.width))
        }
    }
}
