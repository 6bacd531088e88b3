internal import CVectorKernels
internal import Layers
internal import Tensors

/// In the decoder's first block the masked tokens of all images at one position are the same vector. So it works on
/// the distinct tokens, [N·(1 + K)] of kept patches and then [L] mask tokens by position, and spreads the results to
/// all tokens [N·(1 + L)]; gradients are collapsed, summed over the tokens that one vector stands for.
extension MaskedAutoencoder {
    /// Copies rows of distinct tokens to every token they stand for.
    func spread(_ distinct: Operand, to all: Operand, _ a: Activations, in context: LayerContext) {
        let tokens = 1 + configuration.patches
        context.forEachChunk(of: a.images) { range in
            for image in range {
                all.rows(image * tokens..<(image + 1) * tokens)
                    .gather(from: distinct, a.masking.distinctRows.rows(image..<image + 1))
            }
        }
    }

    /// Overwrites `distinct` with sums, formed in fp32 and in the order of the images.
    func collapse(_ all: Operand, into distinct: Operand, _ a: Activations, in context: LayerContext) {
        let (kept, tokens) = (configuration.keptPatches, 1 + configuration.patches)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                distinct.rows(image * (1 + kept)..<(image + 1) * (1 + kept))
                    .copy(from: all.rows(image * tokens..<image * tokens + 1 + kept))
            }
        }
        context.forEachChunk(of: configuration.patches) { range in
            let sums = context.scratch.row(of: all.columns)
            for patch in range {
                sums.clear()
                addMasked(all, patch, to: sums, a)
                distinct.rows(a.latent.rows + patch..<a.latent.rows + patch + 1).convert(from: sums)
            }
        }
    }

    func collapse(_ all: Matrix, addingTo distinct: Matrix, _ a: Activations, in context: LayerContext) {
        let (kept, tokens) = (configuration.keptPatches, 1 + configuration.patches)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let rows = all.rows(image * tokens..<image * tokens + 1 + kept)
                unsafe umae_add(
                    rows.pointer, distinct.rows(image * (1 + kept)..<(image + 1) * (1 + kept)).pointer, rows.count)
            }
        }
        context.forEachChunk(of: configuration.patches) { range in
            for patch in range {
                let row = a.latent.rows + patch
                addMasked(Operand(all), patch, to: distinct.rows(row..<row + 1), a)
            }
        }
    }

    /// Adds the rows of the tokens that are masked at `patch`.
    private func addMasked(_ all: Operand, _ patch: Int, to sums: Matrix, _ a: Activations) {
        let kept = configuration.keptPatches
        let places = a.masking.idsRestore
        for image in 0..<a.images {
            let place = Int(places[image, patch])
            guard place >= kept else { continue }
            let row = image * (1 + configuration.patches) + 1 + place
            unsafe umae_column_sums(
                umae_type(all.element.kernelCode), all.address(row: row, column: 0), all.stride, sums.pointer, 1,
                all.columns)
        }
    }
}

extension MaskedAutoencoder.Activations {
    /// The row of the position table of a row of the latent.
    func decoderPosition(ofKeptRow row: Int) -> Int {
        let tokens = 1 + masking.keptPatches
        return Int(masking.positions[row / tokens, row % tokens])
    }

    /// Rows of the decoder's stream that are predicted in an image.
    func predictedTokens(of image: Int) -> Range<Int> {
        let first = image * masking.positions.columns
        return first + predicted.lowerBound..<first + predicted.upperBound
    }

    /// An image's rows among the predicted ones.
    func predictedRows(of image: Int) -> Matrix {
        predictedStream.values.rows(image * predicted.count..<(image + 1) * predicted.count)
    }
}
