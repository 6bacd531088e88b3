package import Tensors

/// Some operations of fifteen, drawn at random, of about one magnitude. Source: timm `data/auto_augment.py`,
/// `rand_augment_transform`; Cubuk et al., "RandAugment" (2019).
package struct RandAugment: Hashable, Sendable {
    /// Of 10.
    package let magnitude: Int
    /// Operations that are drawn of an image, of which each is left out half of the time.
    package let layers: Int
    /// The standard deviation of the magnitude, which is cut off to 0 ... 10; above 100, it is uniform up to `magnitude`.
    package let deviation: Double
    /// Whether what has a neutral magnitude moves away from it, one way or the other, and all operations become stronger.
    package let increases: Bool

    package init(magnitude: Int = 10, layers: Int = 2, deviation: Double = 0, increases: Bool = false) {
        precondition(0...10 ~= magnitude && layers > 0 && deviation >= 0)
        self.magnitude = magnitude
        self.layers = layers
        self.deviation = deviation
        self.increases = increases
    }

    private static var probability: Float { 0.5 }
    /// Made once: `allCases` is a new array each time.
    private static let kinds = Kind.allCases

    /// The next operation of an image; nil where it is left out.
    package func operation(_ random: inout SampleRandom) -> ByteOperation? {
        let kind = Self.kinds[random.integer(below: Self.kinds.count)]
        let applies = random.uniform() < Self.probability
        let level = level(&random)
        let isNegative = random.uniform() < 0.5
        return applies ? operation(kind, level: level, isNegative: isNegative) : nil
    }

    /// A magnitude as a part of the largest.
    private func level(_ random: inout SampleRandom) -> Double {
        let mean = Double(magnitude)
        let value = deviation > 100 ? random.uniform(0, mean) : mean + deviation * Double(random.normal())
        return min(max(value, 0), 10) / 10
    }

    /// What is drawn of, in timm's order.
    package enum Kind: CaseIterable, Sendable {
        case autoContrast, equalize, invert, rotate, posterize, solarize, solarizeAdd, color, contrast, brightness
        case sharpness, shearX, shearY, translateX, translateY
    }

    /// - Parameters:
    ///   - level: 0 ... 1.
    ///   - isNegative: which way it goes, where there are two.
    package func operation(_ kind: Kind, level: Double, isNegative: Bool) -> ByteOperation {
        let signed = isNegative ? -level : level
        switch kind {
        case .autoContrast: return .autoContrast
        case .equalize: return .equalize
        case .invert: return .invert
        case .rotate: return .rotate(signed * 30)
        case .posterize:
            let bits = Int(level * 4)
            return .posterize(bits: increases ? 4 - bits : bits)
        case .solarize:
            let threshold = min(256, Int(level * 256))
            return .solarize(threshold: increases ? 256 - threshold : threshold)
        case .solarizeAdd: return .solarizeAdd(min(128, Int(level * 110)))
        case .color: return .color(factor(level, isNegative))
        case .contrast: return .contrast(factor(level, isNegative))
        case .brightness: return .brightness(factor(level, isNegative))
        case .sharpness: return .sharpness(factor(level, isNegative))
        case .shearX: return .shearX(signed * 0.3)
        case .shearY: return .shearY(signed * 0.3)
        case .translateX: return .translateX(signed * 0.45)
        case .translateY: return .translateY(signed * 0.45)
        }
    }

    private func factor(_ level: Double, _ isNegative: Bool) -> Double {
        increases ? max(0.1, 1 + (isNegative ? -level * 0.9 : level * 0.9)) : level * 1.8 + 0.1
    }
}
