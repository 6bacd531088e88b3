package import ImageCodecs
internal import Tensors

/// Mixup and CutMix: images that are in part others. Source: timm `data/mixup.py`; Zhang et al., "mixup" (2018); Yun et al.,
/// "CutMix" (2019).
package struct Mixing: Hashable, Sendable {
    /// What has draws of its own.
    package enum Mode: String, CaseIterable, Codable, Sendable {
        /// A micro-batch.
        case batch
        /// Two images that are mixed with each other.
        case pair
        /// An image.
        case elem
    }

    /// Of the beta distribution of the own share in mixup; 0 for none.
    package let mixupAlpha: Double
    /// The same of CutMix.
    package let cutmixAlpha: Double
    /// Sides of patches as parts of the image's, in the place of those that a share gives.
    package let cutmixRange: ClosedRange<Double>?
    /// Of mixing at all.
    package let probability: Float
    /// Of CutMix, where there are both.
    package let switchProbability: Float
    package let mode: Mode

    /// - Parameter cutmixRange: implies CutMix, with α = 1.
    package init(
        mixupAlpha: Double, cutmixAlpha: Double, cutmixRange: ClosedRange<Double>? = nil, probability: Float = 1,
        switchProbability: Float = 0.5, mode: Mode = .batch
    ) {
        precondition(mixupAlpha > 0 || cutmixAlpha > 0 || cutmixRange != nil, "one of them mixes")
        self.mixupAlpha = mixupAlpha
        self.cutmixAlpha = cutmixRange == nil ? cutmixAlpha : 1
        self.cutmixRange = cutmixRange
        self.probability = probability
        self.switchProbability = switchProbability
        self.mode = mode
    }

    /// - Throws: if no patch of images of that size has sides in `cutmixRange`.
    package func check(size: ImageSize) throws(AugmentationError) {
        guard let cutmixRange else { return }
        guard !Self.lengths(cutmixRange, of: size.height).isEmpty && !Self.lengths(cutmixRange, of: size.width).isEmpty
        else { throw .emptyPatch(cutmixRange, size) }
    }

    /// What an image of that size gets of its partner.
    package func mixture(_ draw: ImageAugmentation.Draw, in size: ImageSize) -> Mixture {
        var random = draw.random(.mixing)
        guard random.uniform() < probability else { return .none }
        let cuts = cutmixAlpha > 0 && (mixupAlpha <= 0 || random.uniform() < switchProbability)
        let own = random.beta(cuts ? cutmixAlpha : mixupAlpha)
        guard cuts else { return .blend(own: own) }
        guard let cutmixRange else {
            let (row, column) = (random.integer(below: size.height), random.integer(below: size.width))
            return .patch(Self.patch(leaving: own, around: row, column, in: size))
        }
        let (heights, widths) = (
            Self.lengths(cutmixRange, of: size.height), Self.lengths(cutmixRange, of: size.width)
        )
        let height = heights.lowerBound + random.integer(below: heights.count)
        let width = widths.lowerBound + random.integer(below: widths.count)
        return .patch(
            CropBox(
                top: random.integer(below: size.height - height + 1),
                left: random.integer(below: size.width - width + 1),
                height: height, width: width))
    }

    /// The patch around a pixel that leaves so much of an image, or more where it is cut off at the border. Source:
    /// `rand_bbox`.
    package static func patch(leaving own: Double, around row: Int, _ column: Int, in size: ImageSize) -> CropBox {
        let ratio = (1 - own).squareRoot()
        let (height, width) = (Int(Double(size.height) * ratio), Int(Double(size.width) * ratio))
        let (top, left) = (max(row - height / 2, 0), max(column - width / 2, 0))
        let (bottom, right) = (min(row + (height + 1) / 2, size.height), min(column + (width + 1) / 2, size.width))
        return CropBox(top: top, left: left, height: bottom - top, width: right - left)
    }

    /// Source: `rand_bbox_minmax`, whose ranges are without their ends.
    private static func lengths(_ range: ClosedRange<Double>, of side: Int) -> Range<Int> {
        let low = Int(Double(side) * range.lowerBound)
        return low..<max(low, Int(Double(side) * range.upperBound))
    }
}
