internal import CVectorKernels
package import Layers
package import Tensors

extension MaskedAutoencoder {
    /// Patches → encoder → latent and features, for the masking that `a` holds.
    ///
    /// Patches are embedded after masking: the same tokens, a quarter of the work.
    ///
    /// - Parameter images: [N, C·H·W], planar and normalised.
    package func encode(_ images: Matrix, _ a: Activations, in context: LayerContext) {
        let c = configuration
        let kept = c.keptPatches
        precondition(images.rows == a.images && images.columns == c.imageValues)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                unsafe umae_gather_patches(
                    images.rows(image..<image + 1).pointer, c.channels, c.imageHeight, c.imageWidth, c.patchSize,
                    a.masking.idsKeep.rows(image..<image + 1).pointer, kept, false,
                    a.keptPixels.rows(image * kept..<(image + 1) * kept).pointer, c.patchValues)
                if element != .float32 {
                    let rows = image * kept..<(image + 1) * kept
                    a.keptPatches.rows(rows).convert(from: a.keptPixels.rows(rows))
                }
            }
        }
        patchEmbed.forward(a.keptPatches, into: a.embedded, in: context)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let tokens = a.encoder.stream.rows(image * (1 + kept)..<(image + 1) * (1 + kept))
                unsafe umae_add_table_rows(
                    tokens.pointer, tokens.stride, clsToken.value.pointer, 0,
                    posEmbed.value.pointer, nil, 1, tokens.columns)
                unsafe umae_add_table_rows(
                    tokens.rows(1..<1 + kept).pointer, tokens.stride,
                    a.embedded.rows(image * kept..<(image + 1) * kept).pointer, a.embedded.stride,
                    posEmbed.value.pointer,
                    a.masking.positions.rows(image..<image + 1).columns(1..<1 + kept).pointer, kept, tokens.columns)
            }
        }
        let encoder = a.encoder
        for (index, block) in blocks.enumerated() {
            encoder.keepInput(of: index, in: context)
            block.forward(encoder.stream, encoder.blocks[index], encoder.workspace, in: context)
            encoder.keepOutput(of: index, encoder.stream, in: context)
        }
        norm.forward(encoder.stream, into: Operand(a.latent), a.norm, in: context)
        if element != .float32 {
            context.forEachChunk(of: a.latent.rows) {
                a.latentOperand.rows($0).convert(from: a.latent.rows($0))
            }
        }
        extractFeatures(a, in: context)
    }

    private func extractFeatures(_ a: Activations, in context: LayerContext) {
        let tokens = 1 + configuration.keptPatches
        switch configuration.feature {
        case .cls:
            norm.forward(
                a.latent.everyRow(from: 0, step: tokens), into: Operand(a.features), a.featureNorm, in: context)
        case .clsOnce:
            context.member.serially { a.features.copy(from: a.latent.everyRow(from: 0, step: tokens)) }
        case .pooled:
            context.forEachChunk(of: a.images) { range in
                for image in range {
                    let patches = a.latent.rows(image * tokens + 1..<(image + 1) * tokens)
                    let mean = a.pooled.rows(image..<image + 1)
                    mean.clear()
                    unsafe umae_column_sums(
                        UMAE_F32, patches.pointer, patches.stride, mean.pointer, patches.rows, mean.columns)
                    unsafe umae_scale(mean.pointer, 1 / Float(patches.rows), mean.columns)
                }
            }
            fcNorm?.forward(a.pooled, into: Operand(a.features), a.featureNorm, in: context)
        }
    }

    /// Latent → decoder → predicted pixels.
    ///
    /// The first block norms and projects each mask token once per position instead of once per image; the last one
    /// computes only what is predicted.
    ///
    package func decode(_ a: Activations, in context: LayerContext) {
        let decoder = a.decoder
        fillDistinctTokens(a, in: context)
        for (index, block) in decoderBlocks.enumerated() {
            let own = decoder.blocks[index]
            decoder.keepInput(of: index, in: context)
            if index == 0 {
                let qkv = decoder.workspace.otherQKV.rows(0..<a.distinct.values.rows)
                block.project(a.distinct.values, into: qkv, own, decoder.workspace, in: context)
                spread(qkv, to: own.qkv, a, in: context)
                spread(Operand(a.distinct.values), to: Operand(decoder.stream), a, in: context)
            } else {
                block.project(decoder.stream, into: own.qkv, own, decoder.workspace, in: context)
            }
            block.attend(own, in: context)
            if index == decoderBlocks.count - 1 {
                context.forEachChunk(of: a.images) { range in
                    for image in range {
                        a.predictedRows(of: image).copy(from: decoder.stream.rows(a.predictedTokens(of: image)))
                    }
                }
                block.finish(a.predictedStream.values, own, decoder.workspace, in: context)
                decoder.keepOutput(of: index, a.predictedStream.values, in: context)
            } else {
                block.finish(decoder.stream, own, decoder.workspace, in: context)
                decoder.keepOutput(of: index, decoder.stream, in: context)
            }
        }
        decoderNorm.forward(a.predictedStream.values, into: a.decoderNormed, a.decoderNorm, in: context)
        decoderPred.forward(a.decoderNormed, into: a.predictions, in: context)
    }

    /// Embeds the latent and adds positions: the kept tokens of all images, then a mask token at each position.
    private func fillDistinctTokens(_ a: Activations, in context: LayerContext) {
        let kept = a.distinct.values.rows(0..<a.latent.rows)
        let masked = a.distinct.values.rows(a.latent.rows..<a.distinct.values.rows)
        let positions = decoderPosEmbed.value
        decoderEmbed.forward(a.latentOperand, into: kept, in: context)
        context.forEachChunk(of: kept.rows) { range in
            for row in range {
                let position = a.decoderPosition(ofKeptRow: row)
                unsafe umae_add(
                    positions.rows(position..<position + 1).pointer, kept.rows(row..<row + 1).pointer, kept.columns)
            }
        }
        context.forEachChunk(of: masked.rows) { range in
            unsafe umae_add_table_rows(
                masked.rows(range).pointer, masked.stride, maskToken.value.pointer, 0,
                positions.rows(1 + range.lowerBound..<1 + range.upperBound).pointer, nil, range.count, masked.columns)
        }
    }

    /// The reconstruction loss (`forward_loss`), with its gradient left in `a` for `backward`.
    ///
    /// - Parameters:
    ///   - images: [N, C·H·W], the batch given to `encode`.
    ///   - globalImages: images that the mean is over, on all ranks and micro-batches.
    /// - Returns: this batch's share of the loss: its sum over masked patches of the mean squared error of a patch,
    ///   divided by the number of masked patches of `globalImages`. Shares of all ranks add up to the loss.
    package func reconstructionLoss(
        _ images: Matrix, _ a: Activations, globalImages: Int, in context: LayerContext
    ) -> Double {
        let c = configuration
        let masked = c.patches - c.keptPatches
        let maskedPatches = Double(globalImages * masked)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let target = a.targets.rows(image * masked..<(image + 1) * masked)
                unsafe umae_gather_patches(
                    images.rows(image..<image + 1).pointer, c.channels, c.imageHeight, c.imageWidth, c.patchSize,
                    a.masking.idsMask.rows(image..<image + 1).pointer, masked, true, target.pointer, target.stride)
                // Masked tokens are the last.
                let end = (image + 1) * a.predicted.count
                a.dPredictions.rows(end - a.predicted.count..<end - masked).clear()
                let prediction = a.predictions.rows(end - masked..<end)
                let gradient = a.dPredictions.rows(end - masked..<end)
                a.imageLosses[0, image] = unsafe umae_pixel_loss(
                    umae_type(element.kernelCode), prediction.pointer, prediction.stride, target.pointer,
                    gradient.pointer, gradient.stride, masked, c.patchValues, c.normPixLoss, Float(1 / maskedPatches))
            }
        }
        // Every member adds up all images, in one order.
        var total = 0.0
        for image in 0..<a.images { total += a.imageLosses[0, image] }
        return total / maskedPatches
    }
}
