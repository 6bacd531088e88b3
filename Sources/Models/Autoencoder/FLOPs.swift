extension MaskedAutoencoderConfiguration {
    /// Multiplications and additions of the published model's matrix products and attention, per image and training
    /// step; backward is twice forward.
    ///
    /// This counts the work of the method, every patch embedded and every prediction made, whatever an
    /// implementation manages to leave out or has to do twice.
    package var flopsPerImage: Double { 3 * forwardFlops.total(self) }

    /// What `flopsPerImage` is made of.
    package var forwardFlops: ForwardFLOPs {
        let encoderTokens = Double(1 + keptPatches)
        let decoderTokens = Double(1 + patches)
        return ForwardFLOPs(
            patchEmbed: Self.product(Double(patches), Double(patchValues), Double(embedDim)),
            encoderBlock: block(tokens: encoderTokens, width: Double(embedDim), hidden: Double(hiddenWidth)),
            encoderAfterAttention: afterAttention(
                tokens: encoderTokens, width: Double(embedDim), hidden: Double(hiddenWidth)),
            decoderEmbed: Self.product(encoderTokens, Double(embedDim), Double(decoderEmbedDim)),
            decoderBlock: block(
                tokens: decoderTokens, width: Double(decoderEmbedDim), hidden: Double(decoderHiddenWidth)),
            decoderAfterAttention: afterAttention(
                tokens: decoderTokens, width: Double(decoderEmbedDim), hidden: Double(decoderHiddenWidth)),
            decoderPred: Self.product(decoderTokens, Double(decoderEmbedDim), Double(patchValues)))
    }

    private func block(tokens: Double, width: Double, hidden: Double) -> Double {
        Self.product(tokens, width, 3 * width) + afterAttention(tokens: tokens, width: width, hidden: hidden)
            // Scores and weighted values, over all heads.
            + 2 * Self.product(tokens, width, tokens)
    }

    private func afterAttention(tokens: Double, width: Double, hidden: Double) -> Double {
        Self.product(tokens, width, width) + 2 * Self.product(tokens, width, hidden)
    }

    private static func product(_ m: Double, _ k: Double, _ n: Double) -> Double { 2 * m * k * n }
}

/// Multiplications and additions of the parts of one image's forward pass.
package struct ForwardFLOPs: Equatable, Sendable {
    package var patchEmbed: Double
    /// Of each block.
    package var encoderBlock: Double
    /// Of a block, its projection and MLP.
    package var encoderAfterAttention: Double
    package var decoderEmbed: Double
    package var decoderBlock: Double
    package var decoderAfterAttention: Double
    package var decoderPred: Double

    package func encoder(_ c: MaskedAutoencoderConfiguration) -> Double {
        patchEmbed + Double(c.depth) * encoderBlock
    }

    package func total(_ c: MaskedAutoencoderConfiguration) -> Double {
        encoder(c) + decoderEmbed + Double(c.decoderDepth) * decoderBlock + decoderPred
    }
}
