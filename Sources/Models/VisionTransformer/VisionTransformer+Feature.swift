internal import CVectorKernels
package import Layers
package import Tensors

/// The image feature, taken from the latent.
extension VisionTransformer {
    /// Overwrites `a.features`, and `a.pooled` where backward will need it.
    func extractFeatures(_ a: Activations, in context: LayerContext) {
        switch configuration.feature {
        case .cls, .clsOnce: extract(configuration.feature, of: a, into: a.features, in: context)
        case .pooled:
            meanOfPatches(of: a.latent, a, into: a.pooled, in: context)
            fcNorm?.forward(a.pooled, into: Operand(a.features), a.featureNorm, in: context)
        }
    }

    /// A feature of each image that `forward` has seen last, whichever the model was trained with: the mean of the patch
    /// tokens as it is. There can be no backward pass afterwards.
    ///
    /// - Parameters:
    ///   - block: counted from the last, which is 0; others are among the stages that are kept. Their tokens go through the
    ///     final norm too, as those of DINOv2's evaluations do. Of a latent of class tokens alone there is only theirs of the
    ///     last block.
    ///   - features: [N, D], overwritten.
    package func extract(
        _ feature: VisionTransformerConfiguration.Feature, ofBlock block: Int = 0, of a: Activations,
        into features: Matrix, in context: LayerContext
    ) {
        precondition(a.latentTokens > 1 || block == 0 && feature != .pooled, "only class tokens were computed")
        var latent = a.latent
        if block > 0 {
            let stage = a.stack.stages[a.stack.stages.count - 1 - block].values
            latent = norm == nil ? stage : a.dLatent
            norm?.forward(stage, into: Operand(latent), a.norm, in: context)
        }
        let classTokens = latent.everyRow(from: 0, step: a.latentTokens)
        switch feature {
        case .cls: secondNorm.forward(classTokens, into: Operand(features), a.featureNorm, in: context)
        case .clsOnce: context.member.serially { features.copy(from: classTokens) }
        case .pooled: meanOfPatches(of: latent, a, into: features, in: context)
        }
    }

    /// The final norm where a feature passes it once more.
    private var secondNorm: LayerNorm {
        guard let norm else { preconditionFailure("an encoder without a final norm cannot apply it twice") }
        return norm
    }

    private func meanOfPatches(
        of latent: Matrix, _ a: Activations, into means: Matrix, in context: LayerContext
    ) {
        let tokens = a.latentTokens
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let patches = latent.rows(image * tokens + 1..<(image + 1) * tokens)
                let mean = means.rows(image..<image + 1)
                mean.clear()
                unsafe umae_column_sums(
                    UMAE_F32, patches.pointer, patches.stride, mean.pointer, patches.rows, mean.columns)
                unsafe umae_scale(mean.pointer, 1 / Float(patches.rows), mean.columns)
            }
        }
    }

    /// Adds to `a.dLatent`.
    func featuresBackward(_ a: Activations, _ dFeatures: Matrix, in context: LayerContext) {
        let tokens = a.latentTokens
        let dClsRows = a.dLatent.everyRow(from: 0, step: tokens)
        switch configuration.feature {
        case .cls:
            secondNorm.backward(Operand(dFeatures), a.featureNorm, into: dClsRows, accumulate: true, in: context)
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
}
