internal import CVectorKernels
internal import Layers
internal import Tensors

/// Images become tokens: the class token, and behind it each selected patch, embedded, with the positions of both.
///
/// Patches are selected before they are embedded: the same tokens, where a masking keeps a quarter a quarter of the work.
extension VisionTransformer {
    /// Overwrites the stream; `images` is [N, C·H·W], or [N / M, C·H·W] where each has M views.
    func embed(_ images: Matrix, _ a: Activations, in context: LayerContext) {
        precondition(images.rows > 0 && a.images.isMultiple(of: images.rows))
        let count = a.patches
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let rows = image * count..<(image + 1) * count
                let pixels = a.pixels.rows(rows)
                configuration.gather(
                    a.selection.patches(of: image), of: images.cyclicRow(image), into: pixels, .channelsFirst)
                if element != .float32 { a.patchOperand.rows(rows).convert(from: pixels) }
            }
        }
        patchEmbed.forward(a.patchOperand, into: a.embedded, in: context)
        let table = positions.values
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let tokens = a.stack.stream.rows(image * (1 + count)..<(image + 1) * (1 + count))
                unsafe umae_add_table_rows(
                    tokens.pointer, tokens.stride, clsToken.value.pointer, 0, table.pointer, nil, 1, tokens.columns)
                unsafe umae_add_table_rows(
                    tokens.rows(1..<1 + count).pointer, tokens.stride,
                    a.embedded.rows(image * count..<(image + 1) * count).pointer, a.embedded.stride,
                    table.rows(1..<table.rows).pointer, a.selection.patches(of: image)?.pointer, count, tokens.columns)
            }
        }
    }

    /// From the gradient of the stream to those of the class token, the patch embedding and, if trained, the positions.
    func embedBackward(_ a: Activations, in context: LayerContext) {
        let count = a.patches
        let tokens = 1 + count
        let d = a.stack.gradient.values
        if let table = positions.gradient {
            // By columns, so that each sum has the order of the rows whatever the threads.
            context.member.forEachChunk(of: d.columns, multipleOf: 16) { columns in
                let (from, to) = (d.columns(columns), table.columns(columns))
                for row in 0..<a.images * tokens {
                    let position = a.selection.position(ofToken: row % tokens, of: row / tokens)
                    guard position > 0 || positions.hasClassToken else { continue }
                    unsafe umae_add(
                        from.rows(row..<row + 1).pointer, to.rows(position..<position + 1).pointer, columns.count)
                }
            }
        }
        context.member.serially {
            let dCls = d.everyRow(from: 0, step: tokens)
            unsafe umae_column_sums(
                UMAE_F32, dCls.pointer, dCls.stride, clsToken.gradient.pointer, dCls.rows, dCls.columns)
        }
        // Patch tokens are made contiguous.
        context.forEachChunk(of: a.images) { range in
            for image in range {
                a.dEmbedded.rows(image * count..<(image + 1) * count)
                    .convert(from: d.rows(image * tokens + 1..<(image + 1) * tokens))
            }
        }
        patchEmbed.weightBackward(a.dEmbedded, x: a.patchOperand, in: context)
    }
}
