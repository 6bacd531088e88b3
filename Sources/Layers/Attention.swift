package import Tensors
internal import CVectorKernels

/// Multi-head self-attention between the qkv and output projections: softmax(q·kᵀ / √d)·v per image and head
/// (Vaswani et al. 2017; the column order of qkv is timm's: q, k, v, each heads × d).
///
/// One head of one image is computed at a time, so that its scores never leave the cache. Forward keeps the logarithm
/// of each row's sum; backward forms the scores again with it (as in Dao et al. 2022). It has no weights, and so how many
/// tokens an image has is up to each pass.
package struct Attention: Sendable {
    package let heads: Int
    package let headWidth: Int

    package init(heads: Int, width: Int) {
        precondition(width % heads == 0)
        self.heads = heads
        headWidth = width / heads
    }

    private var width: Int { heads * headWidth }

    package func scratchBytes(_ element: ElementType, tokens: Int) -> Int {
        umae_attention_scratch(element.kernel, tokens, headWidth, true)
    }

    /// Overwrites `output` [N·Q, D] and `logSums` [N·H, Q]; `qkv` is [N·T, 3D].
    ///
    /// - Parameters:
    ///   - tokens: T, of each image.
    ///   - queries: the Q tokens of each image whose result is wanted; they attend to all T.
    package func forward(
        _ qkv: Operand, tokens: Int, queries: Range<Int>, into output: Operand, logSums: Matrix,
        in context: LayerContext
    ) {
        unsafe forEachHead(qkv, tokens, queries, logSums: logSums, in: context) { head, image, column in
            unsafe head.out = output.address(row: image * queries.count, column: column)
            unsafe head.out_stride = output.stride
            unsafe umae_attention_forward(&head, context.scratch.pointer)
        }
    }

    /// Overwrites `dQKV` [N·T, 3D]; `dOutput` is [N·Q, D].
    package func backward(
        _ dOutput: Operand, qkv: Operand, tokens: Int, queries: Range<Int>, logSums: Matrix, into dQKV: Operand,
        in context: LayerContext
    ) {
        if queries.count < tokens {
            context.forEachChunk(of: qkv.rows / tokens) { range in
                for image in range {
                    let dQ = dQKV.rows(image * tokens..<(image + 1) * tokens).columns(0..<width)
                    dQ.rows(0..<queries.lowerBound).clear()
                    dQ.rows(queries.upperBound..<tokens).clear()
                }
            }
        }
        unsafe forEachHead(qkv, tokens, queries, logSums: logSums, in: context) { head, image, column in
            unsafe head.d_out = UnsafeRawPointer(dOutput.address(row: image * queries.count, column: column))
            unsafe head.d_out_stride = dOutput.stride
            unsafe head.dq = dQKV.address(row: image * tokens + queries.lowerBound, column: column)
            unsafe head.dk = dQKV.address(row: image * tokens, column: width + column)
            unsafe head.dv = dQKV.address(row: image * tokens, column: 2 * width + column)
            unsafe head.d_stride = dQKV.stride
            unsafe umae_attention_backward(&head, context.scratch.pointer)
        }
    }

    /// Calls `body` with what is known of a head, the image, and the head's first column within q, k, v and outputs.
    /// Addresses and not views, whose reference counts would be a few percent of a small model's step.
    private func forEachHead(
        _ qkv: Operand, _ tokens: Int, _ queries: Range<Int>, logSums: Matrix, in context: LayerContext,
        _ body: (_ head: inout umae_attention, _ image: Int, _ column: Int) -> Void
    ) {
        context.scratch.require(scratchBytes(qkv.element, tokens: tokens))
        context.member.forEachPiece(of: qkv.rows / tokens * heads) { range in
            var head = unsafe umae_attention()
            unsafe head.type = qkv.element.kernel
            unsafe (head.queries, head.tokens, head.width) = (queries.count, tokens, headWidth)
            unsafe head.scale = 1 / Float(headWidth).squareRoot()
            unsafe head.stride = qkv.stride
            let sums = unsafe logSums.pointer
            for item in range {
                let (image, column) = (item / heads, item % heads * headWidth)
                let row = image * tokens
                unsafe head.q = UnsafeRawPointer(qkv.address(row: row + queries.lowerBound, column: column))
                unsafe head.k = UnsafeRawPointer(qkv.address(row: row, column: width + column))
                unsafe head.v = UnsafeRawPointer(qkv.address(row: row, column: 2 * width + column))
                unsafe head.logsumexp = sums + item * logSums.stride
                unsafe body(&head, image, column)
            }
        }
    }
}
