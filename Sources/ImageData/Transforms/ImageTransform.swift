package import Tensors

/// What happens to an image at random while training.
package struct ImageAugmentation: Hashable, Sendable {
    package let crop: RandomResizedCrop
    package let flipProbability: Float

    package init(crop: RandomResizedCrop = RandomResizedCrop(), flipProbability: Float = 0.5) {
        self.crop = crop
        self.flipProbability = flipProbability
    }
}

/// Memory for preparing images one after another, so that none is allocated per image. One thread at a time.
package final class AugmentationWorkspace {
    fileprivate let decoded = ImageBuffer()
    fileprivate let resized = ImageBuffer()
    fileprivate var resampler = BicubicResampler()

    package init() {}
}

/// Turns the bytes of an image into the row of a batch: crop, resize, flip, normalise.
package struct ImageTransform: Sendable {
    package let channels: Int
    package let size: ImageSize
    /// Nil for evaluation: the whole image is resized and nothing is random.
    package let augmentation: ImageAugmentation?
    /// (byte / 255 − mean) / deviation for every byte; [channels, 256].
    private let normalized: [Float]

    /// - Parameters:
    ///   - size: of the result.
    ///   - statistics: of the training images, in evaluation too.
    ///   - augmentation: nil to resize the whole image to `size`, without a flip.
    package init(size: ImageSize, statistics: ChannelStatistics, augmentation: ImageAugmentation?) {
        precondition(size.height > 0 && size.width > 0)
        self.channels = statistics.mean.count
        self.size = size
        self.augmentation = augmentation
        // Float steps in this order are those of torchvision's ToTensor and Normalize.
        normalized = zip(statistics.mean, statistics.standardDeviation).flatMap { mean, deviation in
            (0..<256).map { (Float($0) / 255 - mean) / deviation }
        }
    }

    /// Elements of a prepared image: channels · height · width.
    package var elementCount: Int { channels * size.pixels }

    /// Prepares one image; the result depends on the arguments alone, not on the rank or on what was prepared before.
    ///
    /// - Parameter row: [1, channels · height · width], planar; overwritten.
    package func prepare(
        _ source: any ImageSource, index: Int, seed: UInt64, epoch: Int, workspace: AugmentationWorkspace,
        into row: Matrix
    ) throws(ImageDataError) {
        precondition(source.channels == channels && row.rows == 1 && row.columns == elementCount)
        let imageSize = try source.decode(at: index, into: workspace.decoded)
        var box = CropBox(top: 0, left: 0, height: imageSize.height, width: imageSize.width)
        var flip = false
        if let augmentation {
            var random = SampleRandom(seed: seed, epoch: epoch, sample: index, purpose: .crop)
            box = augmentation.crop.box(in: imageSize, random: &random)
            random = SampleRandom(seed: seed, epoch: epoch, sample: index, purpose: .flip)
            flip = random.uniform() < augmentation.flipProbability
        }
        let resized = workspace.resized.bytes(elementCount)
        workspace.decoded.bytes(channels * imageSize.pixels).withElements { image in
            resized.withMutableElements { resized in
                workspace.resampler.resample(
                    image, channels: channels, imageSize: imageSize, box: box, to: size, into: &resized)
            }
        }
        normalize(resized, flip: flip, into: row)
    }

    /// Looks every byte up, from the right end of each line if `flip`.
    private func normalize(_ bytes: MatrixView<UInt8>, flip: Bool, into row: Matrix) {
        let width = size.width
        let lines = channels * size.height
        unsafe normalized.withUnsafeBufferPointer { table in
            for line in 0..<lines {
                let bins = line / size.height * 256
                let source = unsafe bytes.pointer + line * width
                let target = unsafe row.pointer + line * width
                if flip {
                    for x in 0..<width { unsafe target[width - 1 - x] = table[bins + Int(source[x])] }
                } else {
                    for x in 0..<width { unsafe target[x] = table[bins + Int(source[x])] }
                }
            }
        }
    }
}
