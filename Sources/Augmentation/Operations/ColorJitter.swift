internal import Tensors

/// Brightness, contrast and saturation, each by a random factor and in random order. Source: torchvision
/// `transforms.ColorJitter` as timm's `create_transform` makes it, without hue.
package struct ColorJitter: Hashable, Sendable {
    /// How far factors are from 1 at most; they are not below 0.
    package let strength: Double

    package init(strength: Double) {
        precondition(strength > 0)
        self.strength = strength
    }

    /// The three operations, in the order in which they are done.
    package func operations(
        _ draw: ImageAugmentation.Draw
    ) -> (first: ByteOperation, second: ByteOperation, third: ByteOperation) {
        var random = draw.random(.operations)
        let order = random.integer(below: 6)
        let brightness = ByteOperation.brightness(factor(&random))
        let contrast = ByteOperation.contrast(factor(&random))
        let color = ByteOperation.color(factor(&random))
        switch order {
        case 0: return (brightness, contrast, color)
        case 1: return (brightness, color, contrast)
        case 2: return (contrast, brightness, color)
        case 3: return (contrast, color, brightness)
        case 4: return (color, brightness, contrast)
        default: return (color, contrast, brightness)
        }
    }

    private func factor(_ random: inout SampleRandom) -> Double {
        random.uniform(max(0, 1 - strength), 1 + strength)
    }
}
