internal import Tensors

/// What is done to the bytes of an image of the model's size, after its crop and flip and before it is normalised.
package enum ByteAugmentation: Hashable, Sendable {
    case none
    case randAugment(RandAugment)
    case jitter(ColorJitter)

    /// - Throws: if it cannot be done to images of so many channels, or of floats.
    package func check(channels: Int, isFloat: Bool) throws(AugmentationError) {
        let name: String
        switch self {
        case .none: return
        case .randAugment: name = "RandAugment"
        case .jitter: name = "color jitter"
        }
        guard channels == 1 || channels == 3 else { throw .unsupportedChannels(channels, operation: name) }
        guard !isFloat else { throw .notBytes(operation: name) }
    }

    /// Changes an image by draws that belong to the sample.
    ///
    /// - Parameter fill: what pixels have that come from outside the image, by channel.
    package func apply(to canvas: ByteCanvas, _ draw: ImageAugmentation.Draw, fill: [UInt8]) {
        switch self {
        case .none: break
        case .randAugment(let policy):
            var random = draw.random(.operations)
            for _ in 0..<policy.layers {
                if let operation = policy.operation(&random) { canvas.apply(operation, fill: fill) }
            }
        case .jitter(let jitter):
            let (first, second, third) = jitter.operations(draw)
            canvas.apply(first, fill: fill)
            canvas.apply(second, fill: fill)
            canvas.apply(third, fill: fill)
        }
    }
}
