package import ImageCodecs
package import Tensors

/// What is taken of an image, and how it is resized, before it is normalised.
package enum ImageAugmentation: Hashable, Sendable {
    /// A random part, mirrored now and then.
    case crop(RandomResizedCrop, flipProbability: Float = 0.5)
    /// The shorter side is resized to so many pixels and the middle is cut out: torchvision's `Resize(shorterSide)` and
    /// `CenterCrop`.
    case center(shorterSide: Int)
    /// The whole image, whatever becomes of its shape.
    case whole

    /// What evaluation sees of images, as in facebookresearch/mae `main_linprobe.py`: the middle, after the shorter side was
    /// resized to 256/224 of the model's; of images that all have the model's size, all.
    ///
    /// - Parameter images: the size of all images of each data set; nil where they differ.
    package static func evaluation(_ size: ImageSize, of images: [ImageSize?]) -> ImageAugmentation {
        images.allSatisfy { $0 == size } ? .whole : .center(shorterSide: min(size.height, size.width) * 256 / 224)
    }

    /// Numbers of one sample in one epoch.
    package struct Draw: Sendable {
        let seed: UInt64
        let epoch: Int
        let sample: Int

        package init(seed: UInt64, epoch: Int, sample: Int) {
            self.seed = seed
            self.epoch = epoch
            self.sample = sample
        }

        /// Those that are for one purpose, from the first.
        package func random(_ purpose: RandomPurpose) -> SampleRandom {
            SampleRandom(seed: seed, epoch: epoch, sample: sample, purpose: purpose)
        }
    }

    /// The part that is resized.
    package func box(in size: ImageSize, _ draw: Draw) -> CropBox {
        guard case .crop(let crop, _) = self else { return size.whole }
        var random = draw.random(.crop)
        return crop.box(in: size, random: &random)
    }

    package func flips(_ draw: Draw) -> Bool {
        guard case .crop(_, let probability) = self else { return false }
        var random = draw.random(.flip)
        return random.uniform() < probability
    }

    /// What a part becomes, and which part of that an image of `size` is.
    package func resizing(_ old: ImageSize, to size: ImageSize) -> (size: ImageSize, part: CropBox) {
        guard case .center(let shorterSide) = self else { return (size, size.whole) }
        // Images are resized no further than they have to be.
        let new = old.withShorterSide(max(shorterSide, size.height, size.width))
        return (
            new,
            CropBox(
                top: Self.half(new.height - size.height), left: Self.half(new.width - size.width), height: size.height,
                width: size.width)
        )
    }

    /// Python's `int(round(x / 2.0))`.
    private static func half(_ length: Int) -> Int { Int((Double(length) / 2).rounded(.toNearestOrEven)) }
}
