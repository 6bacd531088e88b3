internal import CVectorKernels
package import Layers
package import Tensors

extension MaskedAutoencoder {
    /// Adds the gradient of the reconstruction loss, and of what `dFeatures` says of the features, to
    /// `parameters.gradients`; last layer first.
    ///
    /// - Parameters:
    ///   - dFeatures: gradient with respect to `a.features` [N, D], or nil if no loss depends on them.
    ///   - done: called, by the first member alone, with each range of `parameters.gradients` that no later part of
    ///     this pass touches.
    package func backward(
        _ a: Activations, dFeatures: Matrix?, in context: LayerContext, done: (Range<Int>) -> Void = { _ in }
    ) {
        var unfinished = stageStarts.end
        func finish(from start: Int) {
            if start < unfinished && context.member.isFirst { done(start..<unfinished) }
            unfinished = min(unfinished, start)
        }

        let decoder = a.decoderWorkspace
        let encoder = a.encoderWorkspace
        decoderPred.weightBackward(a.dPredictions, x: a.decoderNormed, in: context)
        decoderPred.inputBackward(a.dPredictions, into: decoder.narrow, in: context)
        decoderNorm.backward(
            decoder.narrow, x: a.decoderOutput, a.decoderNormStatistics, into: a.dDecoder, copy: decoder.copyOfD,
            accumulate: false, in: context)
        for index in decoderBlocks.indices.reversed() {
            decoderBlocks[index].backward(a.dDecoder, a.decoderBlocks[index], decoder, in: context)
            finish(from: stageStarts.decoderBlocks[index])
        }
        unshuffleBackward(a, in: context)
        decoderEmbed.weightBackward(a.dDecoderEmbedded, x: a.latentOperand, in: context)
        decoderEmbed.inputBackward(a.dDecoderEmbedded, into: a.dLatent, in: context)
        finish(from: stageStarts.decoderEmbed)

        if let dFeatures { featuresBackward(a, dFeatures, in: context) }
        norm.backward(
            Operand(a.dLatent), x: a.encoderOutput, a.normStatistics, into: a.dEncoder, accumulate: false, in: context)
        if let copy = encoder.copyOfD {
            context.forEachChunk(of: copy.rows) { copy.rows($0).convert(from: a.dEncoder.rows($0)) }
        }
        for index in blocks.indices.reversed() {
            blocks[index].backward(a.dEncoder, a.blocks[index], encoder, in: context)
            finish(from: stageStarts.blocks[index])
        }
        embeddingBackward(a, in: context)
        finish(from: 0)
    }

    /// From decoder tokens back to encoder tokens, the mask token and, if trained, the positions.
    private func unshuffleBackward(_ a: Activations, in context: LayerContext) {
        let kept = configuration.keptPatches
        let patches = configuration.patches
        let width = configuration.decoderEmbedDim
        if configuration.positions == .learned {
            context.member.serially {
                for image in 0..<a.images {
                    let d = a.dDecoder.rows(image * (1 + patches)..<(image + 1) * (1 + patches))
                    unsafe umae_add(d.pointer, decoderPosEmbed.gradient.pointer, d.count)
                }
            }
        }
        context.forEachChunk(ofRows: a.images, summingInto: maskToken.gradient) { range, sums, _ in
            for image in range {
                let d = a.dDecoder.rows(image * (1 + patches)..<(image + 1) * (1 + patches))
                let out = a.dDecoderEmbedded.rows(image * (1 + kept)..<(image + 1) * (1 + kept))
                // Encoder token t came to stand at decoder token encoderPositions[t].
                unsafe umae_gather_rows(
                    umae_type(element.kernelCode), out.pointer, out.stride, d.pointer, d.stride,
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
            norm.backward(
                Operand(dFeatures), x: clsRows, a.featureStatistics, into: dClsRows, accumulate: true, in: context)
        case .clsOnce:
            context.forEachChunk(of: a.images) { range in
                for image in range {
                    unsafe umae_add(
                        dFeatures.rows(image..<image + 1).pointer, dClsRows.rows(image..<image + 1).pointer,
                        dFeatures.columns)
                }
            }
        case .pooled:
            // The gradient of the mean replaces the mean, which nothing needs any more.
            fcNorm?.backward(
                Operand(dFeatures), x: a.pooled, a.featureStatistics, into: a.pooled, accumulate: false, in: context)
            context.forEachChunk(of: a.images) { range in
                for image in range {
                    let dMean = a.pooled.rows(image..<image + 1)
                    unsafe umae_scale(dMean.pointer, 1 / Float(tokens - 1), dMean.columns)
                    for row in image * tokens + 1..<(image + 1) * tokens {
                        unsafe umae_add(dMean.pointer, a.dLatent.rows(row..<row + 1).pointer, dMean.columns)
                    }
                }
            }
        }
    }

    /// From encoder tokens back to the class token, the patch embedding and, if trained, the positions.
    private func embeddingBackward(_ a: Activations, in context: LayerContext) {
        let kept = configuration.keptPatches
        let tokens = 1 + kept
        let width = configuration.embedDim
        context.member.serially {
            if configuration.positions == .learned {
                for row in 0..<a.images * tokens {
                    let position = Int(a.masking.encoderPositions[row / tokens, row % tokens])
                    unsafe umae_add(
                        a.dEncoder.rows(row..<row + 1).pointer,
                        posEmbed.gradient.rows(position..<position + 1).pointer, width)
                }
            }
            let dCls = a.dEncoder.everyRow(from: 0, step: tokens)
            unsafe umae_column_sums(dCls.pointer, dCls.stride, clsToken.gradient.pointer, dCls.rows, width)
        }
        // Patch tokens are made contiguous.
        context.forEachChunk(of: a.images) { range in
            for image in range {
                a.dEmbedded.rows(image * kept..<(image + 1) * kept)
                    .convert(from: a.dEncoder.rows(image * tokens + 1..<(image + 1) * tokens))
            }
        }
        patchEmbed.weightBackward(a.dEmbedded, x: a.keptPatches, in: context)
    }
}
