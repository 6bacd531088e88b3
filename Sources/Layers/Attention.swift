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

    /// Overwrites `output` [N·T, D] and `logSums` [N·H, T]; `qkv` is [N·T, 3D].
    package func forward(_ qkv: Operand, into output: Operand, logSums: Matrix, in context: LayerContext) {
        unsafe forEachHead(qkv, logSums: logSums, in: context) { head, part in
            let out = columns(of: output, part, third: 0)
            unsafe (head.out, head.out_stride) = (out.pointer, out.stride)
            unsafe umae_attention_forward(&head, context.scratch.pointer)
        }
    }

    /// Overwrites `dQKV` [N·T, 3D]; `dOutput` is [N·T, D].
    package func backward(
        _ dOutput: Operand, qkv: Operand, logSums: Matrix, into dQKV: Operand, in context: LayerContext
    ) {
        unsafe forEachHead(qkv, logSums: logSums, in: context) { head, part in
            let dO = columns(of: dOutput, part, third: 0)
            unsafe (head.d_out, head.d_out_stride) = (UnsafeRawPointer(dO.pointer), dO.stride)
            unsafe head.dq = columns(of: dQKV, part, third: 0).pointer
            unsafe head.dk = columns(of: dQKV, part, third: 1).pointer
            unsafe head.dv = columns(of: dQKV, part, third: 2).pointer
            unsafe head.d_stride = dQKV.stride
            unsafe umae_attention_backward(&head, context.scratch.pointer)
        }
    }

    /// The rows of one image and the number of one head.
    private struct Part {
        let rows: Range<Int>
        let head: Int
    }

    private func columns(of operand: Operand, _ part: Part, third: Int) -> Operand {
        let first = third * width + part.head * headWidth
        return operand.rows(part.rows).columns(first..<first + headWidth)
    }

    private func forEachHead(
        _ qkv: Operand, logSums: Matrix, in context: LayerContext, _ body: (inout umae_attention, Part) -> Void
    ) {
        context.scratch.require(scratchBytes(qkv.element))
        context.forEachChunk(of: qkv.rows / tokens * heads) { range in
            for item in range {
                let image = item / heads
                let part = Part(rows: image * tokens..<(image + 1) * tokens, head: item % heads)
                var head = unsafe umae_attention()
                unsafe head.type = qkv.element.kernel
                unsafe (head.tokens, head.width) = (tokens, headWidth)
                unsafe head.scale = 1 / Float(headWidth).squareRoot()
                unsafe head.q = UnsafeRawPointer(columns(of: qkv, part, third: 0).pointer)
                unsafe head.k = UnsafeRawPointer(columns(of: qkv, part, third: 1).pointer)
                unsafe head.v = UnsafeRawPointer(columns(of: qkv, part, third: 2).pointer)
                unsafe head.stride = qkv.stride
                unsafe head.logsumexp = logSums.rows(item..<item + 1).pointer
                unsafe body(&head, part)
            }
        }
    }
}
