import Glibc
package import ImageCodecs
package import Tensors

/// Puts something else in the place of a rectangle of a normalised image, now and then. Source: timm
/// `data/random_erasing.py`; Zhong et al., "Random erasing data augmentation" (2017).
package struct RandomErasing: Hashable, Sendable {
    /// What a rectangle becomes.
    package enum Mode: String, CaseIterable, Codable, Sendable {
        /// Zeros, which are the mean.
        case const
        /// One standard normal number for each channel.
        case rand
        /// A standard normal number for each pixel of each channel.
        case pixel
    }

    /// Of an image to be changed at all.
    package let probability: Float
    package let mode: Mode
    /// Rectangles at most; their number is drawn too, and each is the smaller for it.
    package let count: Int

    package init(probability: Float, mode: Mode = .pixel, count: Int = 1) {
        precondition(0...1 ~= probability && count > 0)
        self.probability = probability
        self.mode = mode
        self.count = count
    }

    /// Of all rectangles together, of that of the image.
    private static var area: ClosedRange<Double> { 0.02...1.0 / 3 }
    /// Height over width; drawn uniformly in its logarithm.
    private static var aspect: ClosedRange<Double> { 0.3...1 / 0.3 }

    /// - Parameters:
    ///   - row: [1, channels · height · width], normalised and planar; changed in place.
    ///   - size: of the image.
    package func erase(_ row: Matrix, _ size: ImageSize, _ draw: ImageAugmentation.Draw) {
        precondition(row.rows == 1 && row.columns.isMultiple(of: size.pixels))
        var random = draw.random(.erasing)
        guard random.uniform() < probability else { return }
        let count = 1 + random.integer(below: count)
        for _ in 0..<count {
            guard let box = Self.box(in: size, count: count, &random) else { continue }
            fill(row, size, box, &random)
        }
    }

    /// A rectangle; nil if ten that were drawn did not fit.
    package static func box(in size: ImageSize, count: Int, _ random: inout SampleRandom) -> CropBox? {
        for _ in 0..<10 {
            let part = random.uniform(area.lowerBound, area.upperBound)
            let ratio = exp(random.uniform(log(aspect.lowerBound), log(aspect.upperBound)))
            guard let sides = sides(part: part / Double(count), ratio: ratio, in: size) else { continue }
            let top = random.integer(below: size.height - sides.height + 1)
            let left = random.integer(below: size.width - sides.width + 1)
            return CropBox(top: top, left: left, height: sides.height, width: sides.width)
        }
        return nil
    }

    /// Nil where a side is not shorter than the image's.
    ///
    /// - Parameters:
    ///   - part: of the area of the image.
    ///   - ratio: height over width.
    package static func sides(part: Double, ratio: Double, in size: ImageSize) -> ImageSize? {
        let area = part * Double(size.pixels)
        let height = Int((area * ratio).squareRoot().rounded(.toNearestOrEven))
        let width = Int((area / ratio).squareRoot().rounded(.toNearestOrEven))
        return height < size.height && width < size.width ? ImageSize(height: height, width: width) : nil
    }

    private func fill(_ row: Matrix, _ size: ImageSize, _ box: CropBox, _ random: inout SampleRandom) {
        row.withMutableElements { pixels in
            for plane in stride(from: 0, to: pixels.count, by: size.pixels) {
                let color = mode == .rand ? random.normal() : 0
                for line in box.top..<box.top + box.height {
                    let first = plane + line * size.width + box.left
                    for place in first..<first + box.width { pixels[place] = mode == .pixel ? random.normal() : color }
                }
            }
        }
    }
}
