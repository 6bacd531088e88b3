package import Augmentation
package import ImageCodecs

/// What is made of training images and their labels besides a crop and a flip, as the flags of `main_finetune.py` give it.
package struct AugmentationSettings: Codable, Equatable, Sendable {
    /// timm's words for RandAugment; nil for none.
    package var policy: String? = "rand-m9-mstd0.5-inc1"
    /// Strength of color jitter, which there is without RandAugment alone; nil for none.
    package var jitter: Double?
    /// Of an image to be erased in part.
    package var erasing = 0.25
    package var erasingMode = RandomErasing.Mode.pixel
    package var erasingCount = 1
    /// α of mixup and of CutMix; 0 for none.
    package var mixup = 0.0
    package var cutmix = 0.0
    /// Sides of CutMix's patches as parts of the image's: the least and the most; nil where shares decide.
    package var cutmixRange: [Double]?
    /// Of a micro-batch, pair or image to be mixed at all, and of CutMix where there is mixup too.
    package var mixingProbability = 1.0
    package var switchProbability = 0.5
    package var mixingMode = Mixing.Mode.batch

    package init() {}

    package var mixes: Bool { mixup > 0 || cutmix > 0 || cutmixRange != nil }

    /// What is done to the bytes of an image.
    ///
    /// - Throws: if the policy is none.
    package func bytes() throws(AugmentationError) -> ByteAugmentation {
        if let policy { return .randAugment(try RandAugment(policy)) }
        return jitter.map { .jitter(ColorJitter(strength: $0)) } ?? .none
    }

    var randomErasing: RandomErasing? {
        erasing > 0 ? RandomErasing(probability: Float(erasing), mode: erasingMode, count: erasingCount) : nil
    }

    /// How images of that size are mixed; nil for not at all.
    ///
    /// - Throws: if no patch can be as large as it should.
    package func mixing(of size: ImageSize) throws(AugmentationError) -> Mixing? {
        guard mixes else { return nil }
        let mixing = Mixing(
            mixupAlpha: mixup, cutmixAlpha: cutmix, cutmixRange: cutmixRange.map { $0[0]...$0[1] },
            probability: Float(mixingProbability), switchProbability: Float(switchProbability), mode: mixingMode)
        try mixing.check(size: size)
        return mixing
    }
}
