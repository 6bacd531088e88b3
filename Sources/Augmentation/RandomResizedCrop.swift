import Glibc
package import ImageCodecs
package import Tensors

/// Chooses a part of random area and aspect ratio.
///
/// Source: torchvision `transforms.RandomResizedCrop.get_params`, step by step, but with random numbers that belong to
/// the sample.
package struct RandomResizedCrop: Hashable, Sendable {
    /// Area of the crop as a fraction of the image.
    package let scale: ClosedRange<Double>
    /// Width over height of the crop; drawn uniformly in its logarithm.
    package let ratio: ClosedRange<Double>

    /// Whether a crop that does not fit is drawn again, as in torchvision. Otherwise its sides are cut off to the image's:
    /// facebookresearch/mae `util/crop.py`, which linear probing uses.
    package let retries: Bool

    package init(
        scale: ClosedRange<Double> = 0.2...1, ratio: ClosedRange<Double> = 3.0 / 4...4.0 / 3, retries: Bool = true
    ) {
        precondition(scale.lowerBound > 0 && ratio.lowerBound > 0)
        self.scale = scale
        self.ratio = ratio
        self.retries = retries
    }

    package func box(in size: ImageSize, random: inout SampleRandom) -> CropBox {
        for _ in 0..<10 {
            let part = random.uniform(scale.lowerBound, scale.upperBound)
            let aspect = exp(random.uniform(log(ratio.lowerBound), log(ratio.upperBound)))
            guard let sides = sides(part: part, ratio: aspect, in: size) else { continue }
            let top = random.integer(below: size.height - sides.height + 1)
            let left = random.integer(below: size.width - sides.width + 1)
            return CropBox(top: top, left: left, height: sides.height, width: sides.width)
        }
        return centralBox(in: size)
    }

    /// Nil where a crop does not fit and is to be drawn again.
    ///
    /// - Parameters:
    ///   - part: of the area of the image.
    ///   - ratio: width over height.
    package func sides(part: Double, ratio: Double, in size: ImageSize) -> ImageSize? {
        let area = Double(size.pixels) * part
        var width = Self.rounded((area * ratio).squareRoot())
        var height = Self.rounded((area / ratio).squareRoot())
        if !retries { (width, height) = (max(1, min(width, size.width)), max(1, min(height, size.height))) }
        let fits = width > 0 && width <= size.width && height > 0 && height <= size.height
        return fits ? ImageSize(height: height, width: width) : nil
    }

    /// The largest central part whose ratio is allowed: what is taken after ten attempts that did not fit.
    package func centralBox(in size: ImageSize) -> CropBox {
        let inherent = Double(size.width) / Double(size.height)
        var width = size.width
        var height = size.height
        if inherent < ratio.lowerBound {
            height = Self.rounded(Double(width) / ratio.lowerBound)
        } else if inherent > ratio.upperBound {
            width = Self.rounded(Double(height) * ratio.upperBound)
        }
        return CropBox(top: (size.height - height) / 2, left: (size.width - width) / 2, height: height, width: width)
    }

    /// Python's `round`: halves go to the even neighbour.
    private static func rounded(_ value: Double) -> Int { Int(value.rounded(.toNearestOrEven)) }
}
