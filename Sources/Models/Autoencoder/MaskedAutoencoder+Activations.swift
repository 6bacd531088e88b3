internal import Layers
package import Tensors

extension MaskedAutoencoder {
    /// Everything that one forward and backward pass over N images writes. Planned once, used for every step.
    ///
    /// Decoder tokens stand in the order of the masking noise: the class token, the K kept patches, the L - K masked
    /// ones. Attention does not depend on the order, positions are added by patch, and so kept and masked tokens are
    /// contiguous.
    package struct Activations: Sendable {
        package let images: Int
        package let masking: RandomMasking
        /// The decoder tokens whose pixels are predicted: the masked ones, or all.
        let predicted: Range<Int>

        /// Kept patches in the embedding's order [N·K, P], as pixels and as the embedding reads them.
        let keptPixels: Matrix
        let keptPatches: Operand
        /// [N·K, D]
        let embedded: Matrix
        let encoder: StackActivations
        let norm: LayerNorm.Kept
        /// Encoder output after the final norm [N·(1 + K), D].
        package let latent: Matrix
        let latentOperand: Operand
        /// Mean of the patch tokens [N, D]; only for the pooled feature.
        let pooled: Matrix
        let featureNorm: LayerNorm.Kept
        /// The image feature before L2 normalisation [N, D].
        package let features: Matrix

        /// The decoder tokens that differ: those of kept patches [N·(1 + K), E], then a mask token for each position
        /// [L, E], which is the same in all images; in backward their gradient.
        let distinct: TransformerBlock.StreamGradient
        let decoder: StackActivations
        /// The stream of the predicted tokens [N·Q, E], after the last block; in backward its gradient.
        let predictedStream: TransformerBlock.StreamGradient
        let decoderNorm: LayerNorm.Kept
        let decoderNormed: Operand
        /// [N·Q, P]
        let predictions: Matrix
        /// Of the masked patches [N·(L - K), P].
        let targets: Matrix
        /// [1, N]: each image's sum over masked patches of the patch's mean squared error.
        let imageLosses: MatrixView<Double>

        // Gradients of activations.
        let dPredictions: Operand
        let dDecoderEmbedded: Operand
        let dLatent: Matrix
        let dEmbedded: Operand

        package init(
            _ model: MaskedAutoencoder, images: Int, _ options: PassOptions = PassOptions(), plan: MemoryPlan
        ) {
            let c = model.configuration
            let element = model.element
            let encoderRows = images * (1 + c.keptPatches)
            predicted = options.predictsAll ? 0..<1 + c.patches : 1 + c.keptPatches..<1 + c.patches
            let predictedRows = images * predicted.count
            func activation(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
                plan.matrix(.activations, name, rows: rows, columns: columns)
            }
            func operand(_ purpose: MemoryPlan.Purpose, _ name: String, _ rows: Int, _ columns: Int) -> Operand {
                plan.operand(purpose, name, rows: rows, columns: columns, element)
            }
            func norm(_ name: String, _ rows: Int, _ width: Int, _ element: ElementType) -> LayerNorm.Kept {
                LayerNorm.Kept(name, rows: rows, width: width, element, plan: plan)
            }
            self.images = images
            masking = RandomMasking(images: images, configuration: c, plan: plan)
            keptPixels = activation("kept pixels", images * c.keptPatches, c.patchValues)
            keptPatches =
                element == .float32
                ? Operand(keptPixels)
                : operand(.activations, "kept patches", images * c.keptPatches, c.patchValues)
            embedded = activation("patch_embed", images * c.keptPatches, c.embedDim)
            encoder = StackActivations(
                "blocks", images: images, tokens: 1 + c.keptPatches, depth: c.depth, c.encoder.blockShape, options,
                element,
                plan: plan)
            self.norm = norm("norm", encoderRows, c.embedDim, .float32)
            latent = activation("latent", encoderRows, c.embedDim)
            latentOperand =
                element == .float32
                ? Operand(latent) : operand(.activations, "latent operand", encoderRows, c.embedDim)
            pooled = activation("pooled", c.feature == .pooled ? images : 0, c.embedDim)
            featureNorm = norm("feature norm", images, c.embedDim, .float32)
            features = activation("features", images, c.embedDim)

            let distinctRows = encoderRows + c.patches
            distinct = TransformerBlock.StreamGradient(
                "distinct decoder tokens", activation("distinct decoder tokens", distinctRows, c.decoderEmbedDim),
                element, plan: plan)
            decoder = StackActivations(
                "decoder_blocks", images: images, tokens: 1 + c.patches, depth: c.decoderDepth, c.decoderShape,
                firstRows: distinctRows, lastQueries: predicted, options, element, plan: plan)
            predictedStream = TransformerBlock.StreamGradient(
                "predicted tokens", activation("predicted tokens", predictedRows, c.decoderEmbedDim), element,
                plan: plan)
            decoderNorm = norm("decoder_norm", predictedRows, c.decoderEmbedDim, element)
            decoderNormed = operand(.activations, "decoder_norm", predictedRows, c.decoderEmbedDim)
            predictions = activation("pred", predictedRows, c.patchValues)
            targets = activation("target patches", images * (c.patches - c.keptPatches), c.patchValues)
            imageLosses = plan.view(.activations, "image losses", rows: 1, columns: images)

            dPredictions = operand(.workspace, "dPred", predictedRows, c.patchValues)
            dDecoderEmbedded = operand(.workspace, "dDecoderEmbed", encoderRows, c.decoderEmbedDim)
            dLatent = plan.matrix(.workspace, "dLatent", rows: encoderRows, columns: c.embedDim)
            dEmbedded = operand(.workspace, "dEmbed", images * c.keptPatches, c.embedDim)
        }

        /// Predicted pixels of every patch in its place, copied out as [N·L, P]; needs `predictsAll`.
        package func patchPredictions() -> Matrix {
            let patches = masking.mask.columns
            precondition(predicted.count == 1 + patches)
            let result = Matrix(rows: images * patches, columns: predictions.columns)
            for image in 0..<images {
                for patch in 0..<patches {
                    let row = image * (1 + patches) + 1 + Int(masking.idsRestore[image, patch])
                    let place = image * patches + patch
                    result.rows(place..<place + 1).copy(from: predictions.rows(row..<row + 1))
                }
            }
            return result
        }

        /// The results of the stages of the forward pass by name, in order; those of blocks only with `keepsStages`.
        package var stages: [(name: String, values: Matrix)] {
            encoder.stages + [("latent", latent), ("features", features)] + decoder.stages + [("pred", predictions)]
        }
    }
}
