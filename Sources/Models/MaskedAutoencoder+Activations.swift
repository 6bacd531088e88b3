internal import Layers
package import Tensors

extension MaskedAutoencoder {
    /// Everything that one forward and backward pass over N images writes. Planned once, used for every step.
    package struct Activations: Sendable {
        package let images: Int
        package let masking: RandomMasking
        /// Kept patches in the embedding's order [N·K, P], as pixels and as the embedding reads them.
        let keptPixels: Matrix
        let keptPatches: Operand
        /// [N·K, D]
        let embedded: Matrix
        /// Encoder input [N·(1 + K), D].
        let tokens: Matrix
        let blocks: [TransformerBlock.Activations]
        let normStatistics: LayerNorm.Statistics
        /// Encoder output after the final norm [N·(1 + K), D].
        package let latent: Matrix
        let latentOperand: Operand
        /// Mean of the patch tokens [N, D]; only for the pooled feature.
        let pooled: Matrix
        let featureStatistics: LayerNorm.Statistics
        /// The image feature before L2 normalisation [N, D].
        package let features: Matrix
        /// [N·(1 + K), E]
        let decoderEmbedded: Matrix
        /// Decoder input [N·(1 + L), E].
        let decoderTokens: Matrix
        let decoderBlocks: [TransformerBlock.Activations]
        let decoderNormStatistics: LayerNorm.Statistics
        let decoderNormed: Operand
        /// [N·(1 + L), P]; the class token's rows are computed and ignored.
        let predictions: Matrix
        /// [N·L, P]
        let targets: Matrix
        /// [1, N]: each image's sum over masked patches of the patch's mean squared error.
        let imageLosses: MatrixView<Double>

        // Gradients of activations.
        let dPredictions: Operand
        let dDecoder: Matrix
        let decoderWorkspace: TransformerBlock.Workspace
        let dDecoderEmbedded: Operand
        let dLatent: Matrix
        let dEncoder: Matrix
        let encoderWorkspace: TransformerBlock.Workspace
        let dEmbedded: Operand

        package init(_ model: MaskedAutoencoder, images: Int, plan: MemoryPlan) {
            let c = model.configuration
            let element = model.element
            let encoderRows = images * (1 + c.keptPatches)
            let decoderRows = images * (1 + c.patches)
            func activation(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
                plan.matrix(.activations, name, rows: rows, columns: columns)
            }
            func operand(_ purpose: MemoryPlan.Purpose, _ name: String, _ rows: Int, _ columns: Int) -> Operand {
                plan.operand(purpose, name, rows: rows, columns: columns, element)
            }
            func gradient(_ name: String, like matrix: Matrix) -> Matrix {
                plan.matrix(.workspace, name, rows: matrix.rows, columns: matrix.columns)
            }
            func stack(_ name: String, _ depth: Int, from input: Matrix, tokens: Int, heads: Int, hidden: Int)
                -> [TransformerBlock.Activations]
            {
                var input = input
                return (0..<depth).map { index in
                    let block = TransformerBlock.Activations(
                        "\(name).\(index)", input: input, tokens: tokens, heads: heads, hiddenWidth: hidden, element,
                        plan: plan)
                    input = block.output
                    return block
                }
            }
            self.images = images
            masking = RandomMasking(images: images, configuration: c, plan: plan)
            keptPixels = activation("kept pixels", images * c.keptPatches, c.patchValues)
            keptPatches =
                element == .float32
                ? Operand(keptPixels)
                : operand(.activations, "kept patches", images * c.keptPatches, c.patchValues)
            embedded = activation("patch_embed", images * c.keptPatches, c.embedDim)
            tokens = activation("encoder input", encoderRows, c.embedDim)
            blocks = stack(
                "blocks", c.depth, from: tokens, tokens: 1 + c.keptPatches, heads: c.heads, hidden: c.hiddenWidth)
            normStatistics = LayerNorm.Statistics(rows: encoderRows, name: "norm", plan: plan)
            latent = activation("latent", encoderRows, c.embedDim)
            latentOperand =
                element == .float32
                ? Operand(latent) : operand(.activations, "latent operand", encoderRows, c.embedDim)
            pooled = activation("pooled", c.feature == .pooled ? images : 0, c.embedDim)
            featureStatistics = LayerNorm.Statistics(rows: images, name: "feature norm", plan: plan)
            features = activation("features", images, c.embedDim)
            decoderEmbedded = activation("decoder_embed", encoderRows, c.decoderEmbedDim)
            decoderTokens = activation("decoder input", decoderRows, c.decoderEmbedDim)
            decoderBlocks = stack(
                "decoder_blocks", c.decoderDepth, from: decoderTokens, tokens: 1 + c.patches, heads: c.decoderHeads,
                hidden: c.decoderHiddenWidth)
            decoderNormStatistics = LayerNorm.Statistics(rows: decoderRows, name: "decoder_norm", plan: plan)
            decoderNormed = operand(.activations, "decoder_norm", decoderRows, c.decoderEmbedDim)
            predictions = activation("pred", decoderRows, c.patchValues)
            targets = activation("target patches", images * c.patches, c.patchValues)
            imageLosses = plan.view(.activations, "image losses", rows: 1, columns: images)

            dPredictions = operand(.workspace, "dPred", decoderRows, c.patchValues)
            dDecoder = gradient("dDecoder", like: decoderTokens)
            decoderWorkspace = TransformerBlock.Workspace(
                "decoder", d: dDecoder, hiddenWidth: c.decoderHiddenWidth, element, plan: plan)
            dDecoderEmbedded = operand(.workspace, "dDecoderEmbed", encoderRows, c.decoderEmbedDim)
            dLatent = gradient("dLatent", like: latent)
            dEncoder = gradient("dEncoder", like: tokens)
            encoderWorkspace = TransformerBlock.Workspace(
                "encoder", d: dEncoder, hiddenWidth: c.hiddenWidth, element, plan: plan)
            dEmbedded = operand(.workspace, "dEmbed", images * c.keptPatches, c.embedDim)
        }

        /// Predicted pixels of every patch, copied out as [N·L, P].
        package func patchPredictions() -> Matrix {
            let patches = masking.mask.columns
            let result = Matrix(rows: images * patches, columns: predictions.columns)
            for image in 0..<images {
                let first = image * (1 + patches) + 1
                result.rows(image * patches..<(image + 1) * patches)
                    .copy(from: predictions.rows(first..<first + patches))
            }
            return result
        }
    }
}

extension MaskedAutoencoder.Activations {
    /// The stages of the forward pass by name, in order, for looking at.
    package var stages: [(name: String, values: Matrix)] {
        var all = [("encoder input", tokens)]
        all += blocks.enumerated().map { ("blocks.\($0)", $1.output) }
        all += [("latent", latent), ("features", features), ("decoder input", decoderTokens)]
        all += decoderBlocks.enumerated().map { ("decoder_blocks.\($0)", $1.output) }
        return all + [("pred", predictions)]
    }
}
