internal import Layers

extension MaskedAutoencoderConfiguration {
    /// Multiplications and additions of the published model's matrix products and attention, per image and training
    /// step; backward is twice forward.
    ///
    /// This counts the work of the method, every patch embedded and every prediction made, whatever an
    /// implementation manages to leave out or has to do twice.
    package var flopsPerImage: Double { 3 * forwardFlops.total(self) }

    /// What `flopsPerImage` is made of.
    package var forwardFlops: ForwardFLOPs {
        let (width, decoderWidth) = (Double(encoder.embedDim), Double(decoderEmbedDim))
        let (encoderTokens, decoderTokens) = (1 + keptPatches, 1 + encoder.patches)
        return ForwardFLOPs(
            patchEmbed: encoder.patchEmbedFlops,
            encoderBlock: encoder.blockShape.flops(tokens: encoderTokens),
            decoderEmbed: !decoderEmbed ? 0 : productFlops(Double(encoderTokens), width, decoderWidth),
            decoderBlock: decoderShape.flops(tokens: decoderTokens),
            decoderPred: productFlops(Double(decoderTokens), decoderWidth, Double(encoder.patchValues)))
    }
}

extension VisionTransformerConfiguration {
    /// Multiplications and additions of an image's forward pass that sees every patch.
    package var forwardFlops: Double { patchEmbedFlops + Double(depth) * blockShape.flops(tokens: 1 + patches) }

    /// Of one image, all of its patches embedded.
    var patchEmbedFlops: Double { productFlops(Double(patches), Double(patchValues), Double(embedDim)) }
}

extension TransformerBlock.Shape {
    /// Of one image's forward pass.
    func flops(tokens: Int) -> Double {
        let (rows, width) = (Double(tokens), Double(width))
        return productFlops(rows, width, 3 * width) + flopsAfterAttention(tokens: tokens)
            // Scores and weighted values, over all heads.
            + 2 * productFlops(rows, width, rows)
    }

    /// As much of it as the projection and the MLP are.
    func flopsAfterAttention(tokens: Int) -> Double {
        let (rows, width) = (Double(tokens), Double(width))
        return productFlops(rows, width, width) + 2 * productFlops(rows, width, Double(hiddenWidth))
    }
}

/// Multiplications and additions of the parts of one image's forward pass.
package struct ForwardFLOPs: Equatable, Sendable {
    package var patchEmbed: Double
    /// Of each block.
    package var encoderBlock: Double
    package var decoderEmbed: Double
    package var decoderBlock: Double
    package var decoderPred: Double

    package func encoder(_ c: MaskedAutoencoderConfiguration) -> Double {
        patchEmbed + Double(c.encoder.depth) * encoderBlock
    }

    package func total(_ c: MaskedAutoencoderConfiguration) -> Double {
        encoder(c) + decoderEmbed + Double(c.decoderDepth) * decoderBlock + decoderPred
    }
}

/// Of a product [m, k]·[k, n].
private func productFlops(_ m: Double, _ k: Double, _ n: Double) -> Double { 2 * m * k * n }
