extension MaskedAutoencoderConfiguration {
    /// Multiplications and additions of the published model's matrix products and attention, per image and training
    /// step; backward is twice forward.
    ///
    /// This counts the work of the method, every patch embedded and every prediction made, whatever an
    /// implementation manages to leave out or has to do twice.
    package var flopsPerImage: Double {
        let encoderTokens = Double(1 + keptPatches)
        let decoderTokens = Double(1 + patches)
        let forward =
            Self.product(Double(patches), Double(patchValues), Double(embedDim))
            + Double(depth) * block(tokens: encoderTokens, width: Double(embedDim), hidden: Double(hiddenWidth))
            + Self.product(encoderTokens, Double(embedDim), Double(decoderEmbedDim))
            + Double(decoderDepth)
            * block(tokens: decoderTokens, width: Double(decoderEmbedDim), hidden: Double(decoderHiddenWidth))
            + Self.product(decoderTokens, Double(decoderEmbedDim), Double(patchValues))
        return 3 * forward
    }

    private func block(tokens: Double, width: Double, hidden: Double) -> Double {
        Self.product(tokens, width, 3 * width) + Self.product(tokens, width, width)
            + 2 * Self.product(tokens, width, hidden)
            // Scores and weighted values, over all heads.
            + 2 * Self.product(tokens, width, tokens)
    }

    private static func product(_ m: Double, _ k: Double, _ n: Double) -> Double { 2 * m * k * n }
}
