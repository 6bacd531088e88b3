internal import CVectorKernels
package import Layers
package import Tensors

extension MaskedAutoencoder {
    /// Adds the gradient of the reconstruction loss, and of what `dFeatures` says of the features, to
    /// `parameters.gradients`; last layer first.
    ///
    /// - Parameters:
    ///   - dFeatures: gradient with respect to `a.features` [N, D], or nil if no loss depends on them.
    ///   - done: called with each range of `parameters.gradients` that no later part of this pass touches.
    package func backward(
        _ a: Activations, dFeatures: Matrix?, in context: LayerContext, done: (Range<Int>) throws -> Void = { _ in }
    ) rethrows {
        var unfinished = stageStarts.end
        func finish(from start: Int) throws {
            if start < unfinished { try done(start..<unfinished) }
            unfinished = min(unfinished, start)
        }

        decoderPred.backward(a.dPredictions, x: a.decoderNormed, into: a.dDecoderNormed, in: context)
        decoderNorm.backward(
            a.dDecoderNormed, x: a.decoderOutput, a.decoderNormStatistics, into: a.dDecoder, accumulate: false,
            in: context)
        for index in decoderBlocks.indices.reversed() {
            decoderBlocks[index].backward(a.dDecoder, a.decoderBlocks[index], a.decoderWorkspace, in: context)
            try finish(from: stageStarts.decoderBlocks[index])
        }
        unshuffleBackward(a, in: context)
        decoderEmbed.backward(a.dDecoderEmbedded, x: a.latent, into: a.dLatent, in: context)
        try finish(from: stageStarts.decoderEmbed)

        if let dFeatures { featuresBackward(a, dFeatures, in: context) }
        norm.backward(
            a.dLatent, x: a.encoderOutput, a.normStatistics, into: a.dEncoder, accumulate: false, in: context)
        for index in blocks.indices.reversed() {
            blocks[index].backward(a.dEncoder, a.blocks[index], a.encoderWorkspace, in: context)
            try finish(from: stageStarts.blocks[index])
        }
        embeddingBackward(a, in: context)
        try finish(from: 0)
    }

    /// From decoder tokens back to encoder tokens, the mask token and, if trained, the positions.
    private func unshuffleBackward(_ a: Activations, in context: LayerContext) {
        let kept = configuration.keptPatches
        let patches = configuration.patches
        let width = configuration.decoderEmbedDim
        if configuration.positions == .learned {
            for image in 0..<a.images {
                let d = a.dDecoder.rows(image * (1 + patches)..<(image + 1) * (1 + patches))
                unsafe umae_add(d.pointer, decoderPosEmbed.gradient.pointer, d.count)
            }
        }
        context.forEachChunk(ofRows: a.images, summingInto: maskToken.gradient) { range, sums, _ in
            for image in range {
                let d = a.dDecoder.rows(image * (1 + patches)..<(image + 1) * (1 + patches))
                let out = a.dDecoderEmbedded.rows(image * (1 + kept)..<(image + 1) * (1 + kept))
                // Encoder token t came to stand at decoder token encoderPositions[t].
                unsafe umae_gather_rows(
                    out.pointer, out.stride, d.pointer, d.stride,
                    a.masking.encoderPositions.rows(image..<image + 1).pointer, nil, nil, nil, 1 + kept, width)
                for token in 1...patches where a.masking.decoderSources[image, token] < 0 {
                    unsafe umae_add(d.rows(token..<token + 1).pointer, sums.pointer, width)
                }
            }
        }
    }

    private func featuresBackward(_ a: Activations, _ dFeatures: Matrix, in context: LayerContext) {
        let tokens = 1 + configuration.keptPatches
        let clsRows = a.latent.everyRow(from: 0, step: tokens)
        let dClsRows = a.dLatent.everyRow(from: 0, step: tokens)
        switch configuration.feature {
        case .cls:
            norm.backward(dFeatures, x: clsRows, a.featureStatistics, into: dClsRows, accumulate: true, in: context)
        case .clsOnce:
            for image in 0..<a.images {
                unsafe umae_add(
                    dFeatures.rows(image..<image + 1).pointer, dClsRows.rows(image..<image + 1).pointer,
                    dFeatures.columns)
            }
        case .pooled:
            // The gradient of the mean replaces the mean, which nothing needs any more.
            fcNorm?.backward(
                dFeatures, x: a.pooled, a.featureStatistics, into: a.pooled, accumulate: false, in: context)
            unsafe umae_scale(a.pooled.pointer, 1 / Float(tokens - 1), a.pooled.count)
            for image in 0..<a.images {
                for token in 1..<tokens {
                    unsafe umae_add(
                        a.pooled.rows(image..<image + 1).pointer,
                        a.dLatent.rows(image * tokens + token..<image * tokens + token + 1).pointer,
                        a.dLatent.columns)
                }
            }
        }
    }

    /// From encoder tokens back to the class token, the patch embedding and, if trained, the positions.
    private func embeddingBackward(_ a: Activations, in context: LayerContext) {
        let kept = configuration.keptPatches
        let tokens = 1 + kept
        let width = configuration.embedDim
        if configuration.positions == .learned {
            for row in 0..<a.images * tokens {
                let position = Int(a.masking.encoderPositions[row / tokens, row % tokens])
                unsafe umae_add(
                    a.dEncoder.rows(row..<row + 1).pointer, posEmbed.gradient.rows(position..<position + 1).pointer,
                    width)
            }
        }
        let dCls = a.dEncoder.everyRow(from: 0, step: tokens)
        unsafe umae_column_sums(dCls.pointer, dCls.stride, clsToken.gradient.pointer, dCls.rows, width)
        // Patch tokens are made contiguous in the place of their own embedding, which nothing needs any more.
        for image in 0..<a.images {
            a.embedded.rows(image * kept..<(image + 1) * kept)
                .copy(from: a.dEncoder.rows(image * tokens + 1..<(image + 1) * tokens))
        }
        patchEmbed.backward(a.embedded, x: a.keptPatches, into: nil, in: context)
    }
}
