internal import Layers
internal import Tensors

extension MaskedDecoder {
    /// Everything that one forward and backward pass over N images writes.
    struct Activations: Sendable {
        let images: Int
        let masking: RandomMasking
        /// The tokens whose pixels are predicted: the masked ones, or all.
        let predicted: Range<Int>

        /// The latent as the embedding reads it [N·(1 + K), D].
        let latent: Operand
        /// The tokens that differ: those of kept patches [N·(1 + K), E], then a mask token for each position [L, E], which
        /// is the same in all images; in backward their gradient.
        let distinct: TransformerBlock.StreamGradient
        /// [N, 1 + L]: the row of `distinct` that each token is.
        let distinctRows: IndexMatrix
        /// Of its last block only the predicted tokens are wanted.
        let stack: StackActivations
        let norm: LayerNorm.Kept
        let normed: Operand
        /// [N·Q, P]
        let predictions: Matrix
        /// Of the masked patches [N·(L - K), P].
        let targets: Matrix
        /// [1, N]: each image's sum over masked patches of the patch's mean squared error.
        let imageLosses: MatrixView<Double>

        // Gradients of activations.
        let dPredictions: Operand
        let dEmbedded: Operand

        /// - Parameter latent: the encoder's result, of which a copy is made only where products read another type.
        init(
            _ decoder: MaskedDecoder, latent: Matrix, _ masking: RandomMasking, _ options: PassOptions,
            plan: MemoryPlan
        ) {
            let (c, element) = (decoder.configuration, decoder.element)
            let (images, patches) = (masking.noise.rows, c.encoder.patches)
            let predicted = options.predictsAll ? 0..<1 + patches : 1 + c.keptPatches..<1 + patches
            let (width, predictedRows) = (c.decoderEmbedDim, images * predicted.count)
            func activation(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
                plan.matrix(.activations, name, rows: rows, columns: columns)
            }
            func operand(_ purpose: MemoryPlan.Purpose, _ name: String, _ rows: Int, _ columns: Int) -> Operand {
                plan.operand(purpose, name, rows: rows, columns: columns, element)
            }
            self.images = images
            self.masking = masking
            self.predicted = predicted
            self.latent =
                element == .float32
                ? Operand(latent) : operand(.activations, "latent operand", latent.rows, latent.columns)
            let distinctRows = latent.rows + patches
            distinct = TransformerBlock.StreamGradient(
                "distinct decoder tokens", activation("distinct decoder tokens", distinctRows, width), element,
                plan: plan)
            self.distinctRows = plan.indices(.activations, "distinct tokens", rows: images, columns: 1 + patches)
            stack = StackActivations(
                "decoder_blocks", images: images, tokens: 1 + patches, depth: c.decoderDepth, c.decoderShape,
                firstRows: distinctRows, lastQueries: predicted, options, element, plan: plan)
            norm = LayerNorm.Kept("decoder_norm", rows: predictedRows, width: width, element, plan: plan)
            normed = operand(.activations, "decoder_norm", predictedRows, width)
            predictions = activation("pred", predictedRows, c.encoder.patchValues)
            targets = activation("target patches", images * (patches - c.keptPatches), c.encoder.patchValues)
            imageLosses = plan.view(.activations, "image losses", rows: 1, columns: images)
            dPredictions = operand(.workspace, "dPred", predictedRows, c.encoder.patchValues)
            dEmbedded = operand(.workspace, "dDecoderEmbed", latent.rows, width)
        }

        /// Predicted pixels of every patch in its place, copied out as [N·L, P]; needs `predictsAll`.
        func patchPredictions() -> Matrix {
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

        /// The results of the stages of the forward pass by name, in order; those of blocks only where they are kept.
        var stages: [(name: String, values: Matrix)] { stack.stages + [("pred", predictions)] }
    }
}
