internal import Layers
internal import Tensors

/// The blocks' parts before and after attention. The first block norms and projects each mask token once per position
/// instead of once per image; the last one computes only what is predicted.
extension MaskedDecoder {
    /// From the stream to the queries, keys and values of a block.
    func project(_ index: Int, _ a: Activations, in context: LayerContext) {
        let (block, own, stream, w) = (blocks[index], a.stack.blocks[index], a.stack.stream, a.stack.workspace)
        guard index == 0 else { return block.project(stream, into: own.qkv, own, w, in: context) }
        let distinct = a.distinct.values
        let qkv = w.otherQKV.rows(0..<distinct.rows)
        block.project(distinct, into: qkv, own, w, in: context)
        spread(qkv, to: own.qkv, a, in: context)
        spread(Operand(distinct), to: Operand(stream), a, in: context)
    }

    /// Back through `project`: to the gradient of the stream, or in the first block to that of the distinct tokens.
    func projectBackward(_ index: Int, _ a: Activations, in context: LayerContext) {
        let (block, own, d, w) = (blocks[index], a.stack.blocks[index], a.stack.gradient, a.stack.workspace)
        let dQKV = w.qkv.rows(0..<own.qkv.rows)
        guard index == 0 else { return block.projectBackward(dQKV, d, accumulate: true, own, w, in: context) }
        let distinct = w.otherQKV.rows(0..<a.distinct.values.rows)
        collapse(dQKV, into: distinct, a, in: context)
        block.projectBackward(distinct, a.distinct, accumulate: false, own, w, in: context)
        collapse(d.values, addingTo: a.distinct.values, a, in: context)
    }

    /// Everything after the attention of a block, on the stream or in the last block on that of the predicted tokens.
    func finish(_ index: Int, _ a: Activations, in context: LayerContext) {
        let (own, w) = (a.stack.blocks[index], a.stack.workspace)
        let isLast = index == blocks.count - 1
        if isLast {
            context.forEachChunk(of: a.images) { range in
                for image in range {
                    a.predictedRows(of: image).copy(from: a.stack.stream.rows(a.predictedTokens(of: image)))
                }
            }
        }
        let stream = isLast ? a.predictedStream.values : a.stack.stream
        blocks[index].finish(stream, own, w, in: context)
        a.stack.keepOutput(of: index, stream, in: context)
    }

    /// Back through `finish`.
    func finishBackward(_ index: Int, _ a: Activations, in context: LayerContext) {
        let (block, own, d, w) = (blocks[index], a.stack.blocks[index], a.stack.gradient, a.stack.workspace)
        guard index == blocks.count - 1 else { return block.finishBackward(d, own, w, in: context) }
        block.finishBackward(a.predictedStream, own, w, in: context)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let tokens = a.predictedTokens(of: image)
                d.values.rows(image * a.tokens..<tokens.lowerBound).clear()
                d.values.rows(tokens).copy(from: a.predictedRows(of: image))
            }
        }
    }
}

extension MaskedDecoder.Activations {
    /// Of each image, 1 + L.
    fileprivate var tokens: Int { distinctRows.columns }

    /// Rows of the stream that are predicted in an image.
    fileprivate func predictedTokens(of image: Int) -> Range<Int> {
        image * tokens + predicted.lowerBound..<image * tokens + predicted.upperBound
    }

    /// An image's rows among the predicted ones.
    fileprivate func predictedRows(of image: Int) -> Matrix {
        predictedStream.values.rows(image * predicted.count..<(image + 1) * predicted.count)
    }
}
