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

        decoderBackward(a, in: context) { finish(from: $0) }
        decoderEmbed.weightBackward(a.dDecoderEmbedded, x: a.latentOperand, in: context)
        decoderEmbed.inputBackward(a.dDecoderEmbedded, into: a.dLatent, in: context)
        finish(from: stageStarts.decoderEmbed)

        if let dFeatures { featuresBackward(a, dFeatures, in: context) }
        let encoder = a.encoder
        let d = encoder.gradient
        norm.backward(Operand(a.dLatent), a.norm, into: d.values, accumulate: false, in: context)
        if let copy = d.copy {
            context.forEachChunk(of: copy.rows) { copy.rows($0).convert(from: d.values.rows($0)) }
        }
        for index in blocks.indices.reversed() {
            encoder.recompute(blocks[index], index, in: context)
            let (block, own, w) = (blocks[index], encoder.blocks[index], encoder.workspace)
            block.finishBackward(d, own, w, in: context)
            finish(from: stageStarts.blocks[index].afterAttention)
            block.attendBackward(own, w, in: context)
            block.projectBackward(w.qkv.rows(0..<own.qkv.rows), d, accumulate: true, own, w, in: context)
            finish(from: stageStarts.blocks[index].all)
        }
        embeddingBackward(a, in: context)
        finish(from: 0)
    }

    /// From predictions to the embedded latent, the mask token and, if trained, the positions.
    private func decoderBackward(_ a: Activations, in context: LayerContext, finish: (_ start: Int) -> Void) {
        let decoder = a.decoder
        let w = decoder.workspace
        let d = decoder.gradient
        let predicted = a.predictedStream
        let normed = w.narrow.rows(0..<predicted.values.rows)
        decoderPred.weightBackward(a.dPredictions, x: a.decoderNormed, in: context)
        decoderPred.inputBackward(a.dPredictions, into: normed, in: context)
        decoderNorm.backward(
            normed, a.decoderNorm, into: predicted.values, copy: predicted.copy, accumulate: false, in: context)
        for index in decoderBlocks.indices.reversed() {
            let block = decoderBlocks[index]
            let own = decoder.blocks[index]
            decoder.recompute(block, index, in: context)
            if index == decoderBlocks.count - 1 {
                block.finishBackward(predicted, own, w, in: context)
                context.forEachChunk(of: a.images) { range in
                    for image in range {
                        let tokens = a.predictedTokens(of: image)
                        d.values.rows(image * (1 + configuration.patches)..<tokens.lowerBound).clear()
                        d.values.rows(tokens).copy(from: a.predictedRows(of: image))
                    }
                }
            } else {
                block.finishBackward(d, own, w, in: context)
            }
            finish(stageStarts.decoderBlocks[index].afterAttention)
            block.attendBackward(own, w, in: context)
            let dQKV = w.qkv.rows(0..<own.qkv.rows)
            if index == 0 {
                let distinct = w.otherQKV.rows(0..<a.distinct.values.rows)
                collapse(dQKV, into: distinct, a, in: context)
                block.projectBackward(distinct, a.distinct, accumulate: false, own, w, in: context)
            } else {
                block.projectBackward(dQKV, d, accumulate: true, own, w, in: context)
            }
            finish(stageStarts.decoderBlocks[index].all)
        }
        distinctTokensBackward(a, in: context)
    }

    /// Adds what the stream's gradient says of the distinct tokens, and hands theirs on.
    private func distinctTokensBackward(_ a: Activations, in context: LayerContext) {
        let d = a.distinct.values
        let kept = a.latent.rows
        collapse(a.decoder.gradient.values, addingTo: d, a, in: context)
        context.forEachChunk(of: kept) { range in
            a.dDecoderEmbedded.rows(range).convert(from: d.rows(range))
        }
        context.member.serially {
            let masked = d.rows(kept..<d.rows)
            unsafe umae_column_sums(
                UMAE_F32, masked.pointer, masked.stride, maskToken.gradient.pointer, masked.rows, masked.columns)
            guard configuration.positions == .learned else { return }
            let gradient = decoderPosEmbed.gradient
            for row in 0..<kept {
                let position = a.decoderPosition(ofKeptRow: row)
                unsafe umae_add(
                    d.rows(row..<row + 1).pointer, gradient.rows(position..<position + 1).pointer, d.columns)
            }
            unsafe umae_add(masked.pointer, gradient.rows(1..<gradient.rows).pointer, masked.count)
        }
    }

    private func featuresBackward(_ a: Activations, _ dFeatures: Matrix, in context: LayerContext) {
        let tokens = 1 + configuration.keptPatches
        let dClsRows = a.dLatent.everyRow(from: 0, step: tokens)
        switch configuration.feature {
        case .cls:
            norm.backward(Operand(dFeatures), a.featureNorm, into: dClsRows, accumulate: true, in: context)
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
            fcNorm?.backward(Operand(dFeatures), a.featureNorm, into: a.pooled, accumulate: false, in: context)
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
        let d = a.encoder.gradient.values
        context.member.serially {
            if configuration.positions == .learned {
                for row in 0..<a.images * tokens {
                    let position = Int(a.masking.positions[row / tokens, row % tokens])
                    unsafe umae_add(
                        d.rows(row..<row + 1).pointer,
                        posEmbed.gradient.rows(position..<position + 1).pointer, width)
                }
            }
            let dCls = d.everyRow(from: 0, step: tokens)
            unsafe umae_column_sums(UMAE_F32, dCls.pointer, dCls.stride, clsToken.gradient.pointer, dCls.rows, width)
        }
        // Patch tokens are made contiguous.
        context.forEachChunk(of: a.images) { range in
            for image in range {
                a.dEmbedded.rows(image * kept..<(image + 1) * kept)
                    .convert(from: d.rows(image * tokens + 1..<(image + 1) * tokens))
            }
        }
        patchEmbed.weightBackward(a.dEmbedded, x: a.keptPatches, in: context)
    }
}
