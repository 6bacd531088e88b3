internal import Layers
package import Tensors

extension VisionTransformer {
    /// Everything that one forward and backward pass over N images writes. Planned once, used for every step.
    package struct Activations: Sendable {
        package let images: Int
        package let selection: PatchSelection
        /// Nil if no branch is dropped.
        package let dropPath: DropPath?
        /// K, of each image.
        let patches: Int

        /// Selected patches in the embedding's order of values [N·K, P], as pixels and as the embedding reads them.
        let pixels: Matrix
        let patchOperand: Operand
        /// [N·K, D]
        let embedded: Matrix
        let stack: StackActivations
        /// Of the final norm; nil without one, or without backward.
        let norm: LayerNorm.Kept?
        /// Tokens of each image in the latent: 1 + K, or the class token alone.
        let latentTokens: Int
        /// The tokens after the final norm, or the stream itself without one [N·(1 + K), D], or [N, D].
        package let latent: Matrix
        /// Mean of the patch tokens [N, D]; only for the pooled feature.
        let pooled: Matrix
        let featureNorm: LayerNorm.Kept
        /// The image feature before L2 normalisation [N, D].
        package let features: Matrix

        /// Gradient with respect to the latent, where a decoder leaves what it says of it; that of the stream where they are one.
        package let dLatent: Matrix
        let dEmbedded: Operand

        /// - Parameter rate: of the branches that are dropped in the last block.
        package init(
            _ encoder: VisionTransformer, images: Int, _ selection: PatchSelection, dropPath rate: Double = 0,
            _ options: PassOptions = PassOptions(), plan: MemoryPlan
        ) {
            let (c, element) = (encoder.configuration, encoder.element)
            let patches = selection.count(c)
            let patchRows = images * patches
            func activation(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
                plan.matrix(.activations, name, rows: rows, columns: columns)
            }
            self.images = images
            self.selection = selection
            self.patches = patches
            latentTokens = options.onlyClassToken ? 1 : 1 + patches
            let rows = images * latentTokens
            dropPath =
                rate > 0
                ? DropPath(
                    rate: rate, images: images, tokens: 1 + patches, lastTokens: latentTokens, depth: c.depth,
                    plan: plan) : nil
            pixels = activation("patches", patchRows, c.patchValues)
            patchOperand =
                element == .float32
                ? Operand(pixels)
                : plan.operand(.activations, "patches, operand", rows: patchRows, columns: c.patchValues, element)
            embedded = activation("patch_embed", patchRows, c.embedDim)
            stack = StackActivations(
                "blocks", images: images, tokens: 1 + patches, depth: c.depth, c.blockShape,
                lastQueries: 0..<latentTokens, dropPath: dropPath, options, element, plan: plan)
            norm =
                c.finalNorm && options.kept != .nothing
                ? LayerNorm.Kept("norm", rows: rows, width: c.embedDim, .float32, plan: plan) : nil
            latent = c.finalNorm ? activation("latent", rows, c.embedDim) : stack.output
            pooled = activation("pooled", c.feature == .pooled ? images : 0, c.embedDim)
            featureNorm = LayerNorm.Kept("feature norm", rows: images, width: c.embedDim, .float32, plan: plan)
            features = activation("features", images, c.embedDim)
            dLatent =
                c.finalNorm
                ? plan.matrix(.workspace, "dLatent", rows: rows, columns: c.embedDim) : stack.outputGradient.values
            dEmbedded = plan.operand(.workspace, "dEmbed", rows: patchRows, columns: c.embedDim, element)
        }

        /// The results of the stages of the forward pass by name, in order; those of blocks only where they are kept.
        package var stages: [(name: String, values: Matrix)] {
            stack.stages + [("latent", latent), ("features", features)]
        }
    }
}
