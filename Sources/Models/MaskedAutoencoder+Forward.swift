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
                let tokens = a.tokens.rows(image * (1 + kept)..<(image + 1) * (1 + kept))
                unsafe umae_gather_rows(
                    UMAE_F32, tokens.pointer, tokens.stride, clsToken.value.pointer, 0, nil, nil,
                    posEmbed.value.pointer, nil, 1,
                    tokens.columns)
                unsafe umae_gather_rows(
                    UMAE_F32, tokens.rows(1..<1 + kept).pointer, tokens.stride,
                    a.embedded.rows(image * kept..<(image + 1) * kept).pointer, a.embedded.stride, nil, nil,
                    posEmbed.value.pointer,
                    a.masking.encoderPositions.rows(image..<image + 1).columns(1..<1 + kept).pointer, kept,
                    tokens.columns)
            }
        }
        for index in blocks.indices { blocks[index].forward(a.blocks[index], a.encoderWorkspace, in: context) }
        norm.forward(a.encoderOutput, into: Operand(a.latent), a.normStatistics, in: context)
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
                a.latent.everyRow(from: 0, step: tokens), into: Operand(a.features), a.featureStatistics,
                in: context)
        case .clsOnce:
            context.member.serially { a.features.copy(from: a.latent.everyRow(from: 0, step: tokens)) }
        case .pooled:
            context.forEachChunk(of: a.images) { range in
                for image in range {
                    let patches = a.latent.rows(image * tokens + 1..<(image + 1) * tokens)
                    let mean = a.pooled.rows(image..<image + 1)
                    mean.clear()
                    unsafe umae_column_sums(patches.pointer, patches.stride, mean.pointer, patches.rows, mean.columns)
                    unsafe umae_scale(mean.pointer, 1 / Float(patches.rows), mean.columns)
                }
            }
            fcNorm?.forward(
                a.pooled, into: Operand(a.features), a.featureStatistics,
                in: context)
        }
    }

    /// Latent → decoder → predicted pixels.
    package func decode(_ a: Activations, in context: LayerContext) {
        let encoderTokens = 1 + configuration.keptPatches
        let decoderTokens = 1 + configuration.patches
        decoderEmbed.forward(a.latentOperand, into: a.decoderEmbedded, in: context)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let out = a.decoderTokens.rows(image * decoderTokens..<(image + 1) * decoderTokens)
                let source = a.decoderEmbedded.rows(image * encoderTokens..<(image + 1) * encoderTokens)
                unsafe umae_gather_rows(
                    UMAE_F32, out.pointer, out.stride, source.pointer, source.stride,
                    a.masking.decoderSources.rows(image..<image + 1).pointer, maskToken.value.pointer,
                    decoderPosEmbed.value.pointer, nil, decoderTokens, out.columns)
            }
        }
        for index in decoderBlocks.indices {
            decoderBlocks[index].forward(a.decoderBlocks[index], a.decoderWorkspace, in: context)
        }
        decoderNorm.forward(a.decoderOutput, into: a.decoderNormed, a.decoderNormStatistics, in: context)
        decoderPred.forward(a.decoderNormed, into: a.predictions, in: context)
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
        let patches = c.patches
        let maskedPatches = Double(globalImages * (patches - c.keptPatches))
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let target = a.targets.rows(image * patches..<(image + 1) * patches)
                unsafe umae_gather_patches(
                    images.rows(image..<image + 1).pointer, c.channels, c.imageHeight, c.imageWidth, c.patchSize, nil,
                    patches, true, target.pointer, target.stride)
                let first = image * (1 + patches)
                a.dPredictions.rows(first..<first + 1).clear()
                let prediction = a.predictions.rows(first + 1..<first + 1 + patches)
                let gradient = a.dPredictions.rows(first + 1..<first + 1 + patches)
                a.imageLosses[0, image] = unsafe umae_pixel_loss(
                    umae_type(element.kernelCode), prediction.pointer, prediction.stride, target.pointer,
                    a.masking.mask.rows(image..<image + 1).pointer, gradient.pointer, gradient.stride, patches,
                    c.patchValues, c.normPixLoss, Float(1 / maskedPatches))
            }
        }
        // Every member adds up all images, in one order.
        var total = 0.0
        for image in 0..<a.images { total += a.imageLosses[0, image] }
        return total / maskedPatches
    }
}

extension MaskedAutoencoder.Activations {
    var encoderOutput: Matrix { blocks.last?.output ?? tokens }
    var decoderOutput: Matrix { decoderBlocks.last?.output ?? decoderTokens }
}
