package import Models
internal import Tensors

/// The least that a rank can need, by arithmetic on the configuration alone: what exceeds a host many times over need not
/// be laid out to be refused, and sizes that would overflow while it is laid out are caught before.
package struct MemoryEstimate {
    /// Bytes of weights and their gradients.
    package let parameters: Double
    /// Bytes of images, masks, and the queries, keys and values of one block each of encoder and decoder.
    package let activations: Double

    /// - Parameters:
    ///   - images: of one micro-batch of one rank.
    ///   - element: bytes of what products read.
    package init(_ c: MaskedAutoencoderConfiguration, images: Int, elementBytes: Int) {
        let (width, hidden) = (Double(c.embedDim), Double(c.hiddenWidth))
        let (decoderWidth, decoderHidden) = (Double(c.decoderEmbedDim), Double(c.decoderHiddenWidth))
        let (patches, kept, values) = (Double(c.patches), Double(c.keptPatches), Double(c.patchValues))
        let weights =
            Double(c.depth) * (4 * width * width + 2 * width * hidden)
            + Double(c.decoderDepth) * (4 * decoderWidth * decoderWidth + 2 * decoderWidth * decoderHidden)
            + values * (width + decoderWidth) + width * decoderWidth
        let positions = (1 + patches) * (width + decoderWidth)
        parameters = 8 * weights + 4 * positions
        let perImage =
            4 * Double(c.imageValues) + 16 * patches
            + Double(elementBytes) * 3 * ((1 + kept) * width + (1 + patches) * decoderWidth)
        activations = Double(images) * perImage
    }

    package var bytes: Double { parameters + activations }

    var text: String {
        "weights and gradients \(MemoryReport.amount(parameters)), activations \(MemoryReport.amount(activations))"
    }
}
