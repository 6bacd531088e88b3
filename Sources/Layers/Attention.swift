package import Tensors
internal import CVectorKernels

/// Multi-head self-attention between the qkv and output projections: softmax(q·kᵀ / √d)·v per image and head
/// (Vaswani et al. 2017; the column order of qkv is timm's: q, k, v, each heads × d).
///
/// One head of one image is computed at a time, so that its scores never leave the cache. Forward keeps the logarithm
/// of each row's sum; backward forms the scores again with it (as in Dao et al. 2022).
package struct Attention: Sendable {
    package let tokens: Int
    package let heads: Int
    package let headWidth: Int

    package init(tokens: Int, heads: Int, width: Int) {
        precondition(width % heads == 0)
        self.tokens = tokens
        self.heads = heads
        headWidth = width / heads
    }

    private var width: Int { heads * headWidth }

    package func scratchBytes(_ element: ElementType) -> Int {
        umae_attention_scratch(element.kernel, tokens, headWidth, true)
    }

    /// Overwrites `output` [N·Q, D] and `logSums` [N·H, Q]; `qkv` is [N·T, 3D].
    ///
    /// - Parameter queries: the Q tokens of each image whose result is wanted; they attend to all T.
    package func forward(
        _ qkv: Operand, queries: Range<Int>, into output: Operand, logSums: Matrix, in context: LayerContext
    ) {
        unsafe forEachHead(qkv, queries, logSums: logSums, in: context) { head, part in
            let out = columns(of: output, part.outputs, part)
            unsafe (head.out, head.out_stride) = (out.pointer, out.stride)
            unsafe umae_attention_forward(&head, context.scratch.pointer)
        }
    }

    /// Overwrites `dQKV` [N·T, 3D]; `dOutput` is [N·Q, D].
    package func backward(
        _ dOutput: Operand, qkv: Operand, queries: Range<Int>, logSums: Matrix, into dQKV: Operand,
        in context: LayerContext
    ) {
        unsafe forEachHead(qkv, queries, logSums: logSums, in: context) { head, part in
            let dO = columns(of: dOutput, part.outputs, part)
            let dQ = columns(of: dQKV, part.tokens, part)
            dQ.rows(0..<queries.lowerBound).clear()
            dQ.rows(queries.upperBound..<tokens).clear()
            unsafe (head.d_out, head.d_out_stride) = (UnsafeRawPointer(dO.pointer), dO.stride)
            unsafe head.dq = dQ.rows(queries).pointer
            unsafe head.dk = columns(of: dQKV, part.tokens, part, third: 1).pointer
            unsafe head.dv = columns(of: dQKV, part.tokens, part, third: 2).pointer
            unsafe head.d_stride = dQKV.stride
            unsafe umae_attention_backward(&head, context.scratch.pointer)
        }
    }

    /// One head of one image.
    private struct Part {
        /// Rows of qkv and of the output.
        let tokens: Range<Int>
        let outputs: Range<Int>
        let head: Int
    }

    private func columns(of operand: Operand, _ rows: Range<Int>, _ part: Part, third: Int = 0) -> Operand {
        let first = third * width + part.head * headWidth
        return operand.rows(rows).columns(first..<first + headWidth)
    }

    private func forEachHead(
        _ qkv: Operand, _ queries: Range<Int>, logSums: Matrix, in context: LayerContext,
        _ body: (inout umae_attention, Part) -> Void
    ) {
        context.scratch.require(scratchBytes(qkv.element))
        context.forEachChunk(of: qkv.rows / tokens * heads) { range in
            for item in range {
                let image = item / heads
                let part = Part(
                    tokens: image * tokens..<(image + 1) * tokens,
                    outputs: image * queries.count..<(image + 1) * queries.count, head: item % heads)
                var head = unsafe umae_attention()
                unsafe head.type = qkv.element.kernel
                unsafe (head.queries, head.tokens, head.width) = (queries.count, tokens, headWidth)
                unsafe head.scale = 1 / Float(headWidth).squareRoot()
                unsafe head.q = UnsafeRawPointer(columns(of: qkv, part.tokens, part).rows(queries).pointer)
                unsafe head.k = UnsafeRawPointer(columns(of: qkv, part.tokens, part, third: 1).pointer)
                unsafe head.v = UnsafeRawPointer(columns(of: qkv, part.tokens, part, third: 2).pointer)
                unsafe head.stride = qkv.stride
                unsafe head.logsumexp = logSums.rows(item..<item + 1).pointer
                unsafe body(&head, part)
            }
        }
    }
}
