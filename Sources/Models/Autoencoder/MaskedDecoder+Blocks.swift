internal import Layers
internal import Tensors

/// The blocks' parts before attention. The first block norms and projects each mask token once per position instead of
/// once per image.
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
}
