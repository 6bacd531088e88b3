internal import CVectorKernels
internal import Layers
internal import Tensors

/// The decoder's tokens: the latent, embedded, and mask tokens, all with positions.
///
/// Before the first block the masked tokens of all images at one position are the same vector. So there are only the
/// distinct tokens, [N·(1 + K)] of kept patches and then [L] mask tokens by position; results of the first block's products
/// are spread to all tokens [N·(1 + L)], gradients are collapsed, summed over the tokens that one vector stands for.
extension MaskedDecoder {
    /// Overwrites the distinct tokens; `latent` is [N·(1 + K), D].
    func embedTokens(_ latent: Matrix, _ a: Activations, in context: LayerContext) {
        let kept = a.distinct.values.rows(0..<latent.rows)
        let masked = a.distinct.values.rows(latent.rows..<a.distinct.values.rows)
        let table = positions.values
        if let embed {
            if element != .float32 {
                context.forEachChunk(of: latent.rows) { a.latent.rows($0).convert(from: latent.rows($0)) }
            }
            embed.forward(a.latent, into: kept, in: context)
        } else {
            context.forEachChunk(of: latent.rows) { kept.rows($0).copy(from: latent.rows($0)) }
        }
        context.forEachChunk(of: kept.rows) { range in
            for row in range {
                let position = a.position(ofKeptRow: row)
                unsafe umae_add(
                    table.rows(position..<position + 1).pointer, kept.rows(row..<row + 1).pointer, kept.columns)
            }
        }
        context.forEachChunk(of: masked.rows) { range in
            unsafe umae_add_table_rows(
                masked.rows(range).pointer, masked.stride, maskToken.value.pointer, 0,
                table.rows(1 + range.lowerBound..<1 + range.upperBound).pointer, nil, range.count, masked.columns)
        }
        context.forEachChunk(of: a.images) { range in
            for image in range { a.findDistinctRows(of: image) }
        }
    }

    /// From the gradient of the distinct tokens to those of the embedding, the mask token, the positions, if trained, and
    /// the latent, which is overwritten.
    func embedTokensBackward(_ a: Activations, into dLatent: Matrix, in context: LayerContext) {
        let d = a.distinct.values
        let kept = a.latent.rows
        if embed != nil {
            context.forEachChunk(of: kept) { range in
                a.dEmbedded.rows(range).convert(from: d.rows(range))
            }
        }
        context.member.serially {
            let masked = d.rows(kept..<d.rows)
            unsafe umae_column_sums(
                UMAE_F32, masked.pointer, masked.stride, maskToken.gradient.pointer, masked.rows, masked.columns)
            guard let table = positions.gradient else { return }
            for row in 0..<kept {
                let position = a.position(ofKeptRow: row)
                unsafe umae_add(d.rows(row..<row + 1).pointer, table.rows(position..<position + 1).pointer, d.columns)
            }
            unsafe umae_add(masked.pointer, table.rows(1..<table.rows).pointer, masked.count)
        }
        guard let embed else {
            return context.forEachChunk(of: kept) { dLatent.rows($0).copy(from: d.rows($0)) }
        }
        embed.weightBackward(a.dEmbedded, x: a.latent, in: context)
        embed.inputBackward(a.dEmbedded, into: dLatent, in: context)
    }

    /// Copies rows of distinct tokens to every token they stand for.
    func spread(_ distinct: Operand, to all: Operand, _ a: Activations, in context: LayerContext) {
        let tokens = 1 + configuration.encoder.patches
        context.forEachChunk(of: a.images) { range in
            for image in range {
                all.rows(image * tokens..<(image + 1) * tokens)
                    .gather(from: distinct, a.distinctRows.rows(image..<image + 1))
            }
        }
    }

    /// Overwrites `distinct` with sums, formed in fp32 and in the order of the images.
    func collapse(_ all: Operand, into distinct: Operand, _ a: Activations, in context: LayerContext) {
        let (kept, tokens) = (a.masking.keptPatches, 1 + configuration.encoder.patches)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                distinct.rows(image * (1 + kept)..<(image + 1) * (1 + kept))
                    .copy(from: all.rows(image * tokens..<image * tokens + 1 + kept))
            }
        }
        context.forEachChunk(of: tokens - 1) { range in
            let sums = context.scratch.row(of: all.columns)
            for patch in range {
                sums.clear()
                addMasked(all, patch, to: sums, a)
                distinct.rows(a.latent.rows + patch..<a.latent.rows + patch + 1).convert(from: sums)
            }
        }
    }

    func collapse(_ all: Matrix, addingTo distinct: Matrix, _ a: Activations, in context: LayerContext) {
        let (kept, tokens) = (a.masking.keptPatches, 1 + configuration.encoder.patches)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let rows = all.rows(image * tokens..<image * tokens + 1 + kept)
                unsafe umae_add(
                    rows.pointer, distinct.rows(image * (1 + kept)..<(image + 1) * (1 + kept)).pointer, rows.count)
            }
        }
        context.forEachChunk(of: tokens - 1) { range in
            for patch in range {
                let row = a.latent.rows + patch
                addMasked(Operand(all), patch, to: distinct.rows(row..<row + 1), a)
            }
        }
    }

    /// Adds the rows of the tokens that are masked at `patch`.
    private func addMasked(_ all: Operand, _ patch: Int, to sums: Matrix, _ a: Activations) {
        let (kept, tokens) = (a.masking.keptPatches, 1 + configuration.encoder.patches)
        let places = a.masking.idsRestore
        for image in 0..<a.images {
            let place = Int(places[image, patch])
            guard place >= kept else { continue }
            let row = image * tokens + 1 + place
            unsafe umae_column_sums(
                umae_type(all.element.kernelCode), all.address(row: row, column: 0), all.stride, sums.pointer, 1,
                all.columns)
        }
    }
}

extension MaskedDecoder.Activations {
    /// The row of the position table of a row of the latent.
    fileprivate func position(ofKeptRow row: Int) -> Int {
        let tokens = 1 + masking.keptPatches
        return masking.position(ofToken: row % tokens, of: row / tokens)
    }

    /// Fills `distinctRows` of an image.
    fileprivate func findDistinctRows(of image: Int) {
        let kept = 1 + masking.keptPatches
        for token in 0..<distinctRows.columns {
            distinctRows[image, token] = Int32(
                token < kept
                    ? image * kept + token : latent.rows + masking.position(ofToken: token, of: image) - 1)
        }
    }
}
