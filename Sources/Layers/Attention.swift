package import Tensors
internal import CVectorKernels

/// Multi-head self-attention between the qkv and output projections: softmax(q·kᵀ / √d)·v per image and head
/// (Vaswani et al. 2017; the column order of qkv is timm's: q, k, v, each heads × d).
///
/// Scores live in one [T, T] scratch matrix per thread. Backward forms them again: keeping them would take N·H·T²
/// floats per block.
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

    private var scale: Float { 1 / Float(headWidth).squareRoot() }
    private var width: Int { heads * headWidth }

    /// Overwrites `output` [N·T, D]; `qkv` is [N·T, 3D].
    package func forward(_ qkv: Matrix, into output: Matrix, in context: LayerContext) {
        forEachHead(rows: qkv.rows, in: context) { part, scores, _ in
            let (q, k, v) = heads(of: qkv, part)
            probabilities(q, k, into: scores)
            serialMatrixProduct(scores, v, into: columns(of: output, part, third: 0))
        }
    }

    /// Overwrites `dQKV` [N·T, 3D]; `dOutput` is [N·T, D].
    package func backward(_ dOutput: Matrix, qkv: Matrix, into dQKV: Matrix, in context: LayerContext) {
        forEachHead(rows: qkv.rows, in: context) { part, scores, dScores in
            let (q, k, v) = heads(of: qkv, part)
            let (dQ, dK, dV) = heads(of: dQKV, part)
            let dO = columns(of: dOutput, part, third: 0)
            probabilities(q, k, into: scores)
            serialMatrixProduct(scores, transposeA: true, dO, into: dV)
            serialMatrixProduct(dO, v, transposeB: true, into: dScores)
            unsafe umae_softmax_backward(scores.pointer, dScores.pointer, tokens, tokens, tokens, scale)
            serialMatrixProduct(dScores, k, into: dQ)
            serialMatrixProduct(dScores, transposeA: true, q, into: dK)
        }
    }

    /// The rows of one image and the number of one head.
    private struct Part {
        let rows: Range<Int>
        let head: Int
    }

    private func probabilities(_ q: Matrix, _ k: Matrix, into scores: Matrix) {
        serialMatrixProduct(q, k, transposeB: true, into: scores)
        unsafe umae_softmax_forward(scores.pointer, tokens, tokens, tokens, scale)
    }

    private func columns(of matrix: Matrix, _ part: Part, third: Int) -> Matrix {
        let first = third * width + part.head * headWidth
        return matrix.rows(part.rows).columns(first..<first + headWidth)
    }

    private func heads(of qkv: Matrix, _ part: Part) -> (q: Matrix, k: Matrix, v: Matrix) {
        (columns(of: qkv, part, third: 0), columns(of: qkv, part, third: 1), columns(of: qkv, part, third: 2))
    }

    private func forEachHead(
        rows: Int, in context: LayerContext, _ body: (Part, _ scores: Matrix, _ dScores: Matrix) -> Void
    ) {
        let images = rows / tokens
        context.team.run { thread in
            let scratch = context.scores.columns(0..<tokens * tokens)
            let scores = scratch.rows(2 * thread..<2 * thread + 1).reshaped(rows: tokens, columns: tokens)
            let dScores = scratch.rows(2 * thread + 1..<2 * thread + 2).reshaped(rows: tokens, columns: tokens)
            for item in context.team.chunk(thread, of: images * heads) {
                let image = item / heads
                let part = Part(rows: image * tokens..<(image + 1) * tokens, head: item % heads)
                body(part, scores, dScores)
            }
        }
    }
}
