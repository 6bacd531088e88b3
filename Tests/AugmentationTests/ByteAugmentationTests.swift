import Augmentation
import ImageCodecs
import Tensors
import TestSupport
import Testing

@Suite("What is done to bytes at random")
struct ByteAugmentationTests {
    private func draw(_ sample: Int, epoch: Int = 0) -> ImageAugmentation.Draw {
        ImageAugmentation.Draw(seed: 7, epoch: epoch, sample: sample)
    }

    private func result(_ augmentation: ByteAugmentation, _ draw: ImageAugmentation.Draw) -> [UInt8] {
        let size = ImageSize(height: 9, width: 8)
        let memory = ImageBuffer().bytes(3 * size.pixels)
        memory.copy(from: patternBytes(3 * size.pixels))
        let canvas = ByteCanvas()
        canvas.take(PixelView(planes: memory, size, channels: 3), mirrored: false)
        augmentation.apply(to: canvas, draw, fill: [9, 8, 7])
        return canvas.view.planes
    }

    @Test("belongs to seed, epoch and sample")
    func draws() {
        for augmentation in [
            ByteAugmentation.randAugment(RandAugment(layers: 6)), .jitter(ColorJitter(strength: 0.4)),
        ] {
            let plain = result(augmentation, draw(3))
            #expect(result(augmentation, draw(3)) == plain)
            #expect(Set([plain, result(augmentation, draw(4)), result(augmentation, draw(3, epoch: 1))]).count == 3)
        }
    }

    @Test("is all operations that were drawn, one after another")
    func sequence() throws {
        let policy = RandAugment(magnitude: 9, layers: 3, deviation: 0.5, increases: true)
        for sample in 0..<20 {
            var random = draw(sample).random(.operations)
            let operations = (0..<3).compactMap { _ in policy.operation(&random) }
            let canvas = ByteCanvas()
            let size = ImageSize(height: 9, width: 8)
            let memory = ImageBuffer().bytes(3 * size.pixels)
            memory.copy(from: patternBytes(3 * size.pixels))
            canvas.take(PixelView(planes: memory, size, channels: 3), mirrored: false)
            for operation in operations { canvas.apply(operation, fill: [9, 8, 7]) }
            #expect(canvas.view.planes == result(.randAugment(policy), draw(sample)))
        }
    }

    @Test("jitter has all orders, and factors on both sides of 1 that are not negative")
    func jitter() {
        var (orders, factors) = ([String: Int](), [Double]())
        for sample in 0..<3000 {
            let (first, second, third) = ColorJitter(strength: 1.25).operations(draw(sample))
            var order = ""
            for operation in [first, second, third] {
                switch operation {
                case .brightness(let factor):
                    order += "b"
                    factors.append(factor)
                case .contrast(let factor):
                    order += "c"
                    factors.append(factor)
                case .color(let factor):
                    order += "s"
                    factors.append(factor)
                default: Issue.record("\(operation)")
                }
            }
            orders[order, default: 0] += 1
        }
        // Binomial: 500 ± 20 standard; five of them. Uniform in 0 ..< 2.25: mean 1.125 ± 0.0068.
        #expect(orders.count == 6 && orders.values.allSatisfy { abs($0 - 500) < 102 })
        #expect(factors.allSatisfy { $0 >= 0 && $0 < 2.25 })
        #expect(abs(factors.reduce(0, +) / 9000 - 1.125) < 0.034)
    }

    @Test("is refused for images that have neither one nor three channels, and for floats")
    func refusals() throws {
        let policy = ByteAugmentation.randAugment(RandAugment())
        for channels in [1, 3] { try policy.check(channels: channels, isFloat: false) }
        try ByteAugmentation.none.check(channels: 12, isFloat: true)
        #expect(throws: AugmentationError.unsupportedChannels(4, operation: "RandAugment")) {
            try policy.check(channels: 4, isFloat: false)
        }
        #expect(throws: AugmentationError.notBytes(operation: "color jitter")) {
            try ByteAugmentation.jitter(ColorJitter(strength: 0.4)).check(channels: 3, isFloat: true)
        }
    }
}
