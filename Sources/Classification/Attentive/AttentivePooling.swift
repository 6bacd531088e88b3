internal import Foundation
internal import Layers
internal import Tensors

/// Pools the patch tokens of a frozen encoder by M learned queries (efficient probing; Psomas et al. 2025, "Attention,
/// Please! Revisiting Attentive Probing"): a = softmax over an image's tokens of q_m·x / √D, and query m has its part of the
/// values W_v·x, weighted by a. What is frozen needs no gradient.
///
/// Published, values are made of all tokens: N·L·D·D' multiply-adds. As a is a number for each token, W_v may as well be
/// applied to what each query has pooled, z_m = Σ a·x, which takes N·L·M·D and N·D·D' and is the same but for rounding.
///
/// In the comments: N images, L patch tokens, T = 1 + L with the class token, which no query sees, D width, D' width of all
/// queries' values together.
struct AttentivePooling: Sendable {
    /// [M, D]
    private let queries: Parameter
    /// W_v [D', D], M parts.
    private let values: Parameter
    /// An image's products are made by one thread.
    private let alone = TeamMember.alone

    static func specifications(width: Int, queries: Int, valueWidth: Int) -> [ParameterSpecification] {
        [
            ParameterSpecification("queries", [queries, width], .normal(0.02)),
            // The variance of torch.nn.Linear's.
            ParameterSpecification("v.weight", [valueWidth, width], .normal((1 / Float(3 * width)).squareRoot())),
        ]
    }

    init(_ parameters: ParameterSet) {
        queries = parameters["queries"]
        values = parameters["v.weight"]
    }

    private var count: Int { queries.value.rows }
    private var width: Int { queries.value.columns }
    /// Of a query's values.
    private var part: Int { values.value.rows / count }

    struct Activations: Sendable {
        let images: Int
        /// T
        let tokens: Int
        /// Scores, then a, then in backward the gradient of scores [N·T, M]; 0 for class tokens once they are a.
        let attention: Matrix
        /// The gradient of a [N·T, M].
        let dAttention: Matrix
        /// z [N·M, D], then its gradient.
        let pooled: Matrix
        /// [N, D']
        let result: Matrix

        init(images: Int, tokens: Int, width: Int, queries: Int, valueWidth: Int, plan: MemoryPlan) {
            func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
                plan.matrix(.activations, name, rows: rows, columns: columns)
            }
            self.images = images
            self.tokens = tokens
            attention = matrix("attention of queries", images * tokens, queries)
            dAttention = matrix("its gradient", images * tokens, queries)
            pooled = matrix("pooled tokens", images * queries, width)
            result = matrix("pooled values", images, valueWidth)
        }
    }

    /// Scratch memory for one thread.
    static func scratchBytes(images: Int, tokens: Int, width: Int, queries: Int, valueWidth: Int) -> Int {
        func bytes(_ m: Int, _ n: Int, _ k: Int, _ transposeA: Bool) -> Int {
            ScratchMemory.bytes(forProduct: .float32, m: m, n: n, k: k, transposeA: transposeA)
        }
        let part = valueWidth / queries
        return [
            bytes(images * tokens, queries, width, false), bytes(queries, width, tokens, true),
            bytes(images, part, width, false), bytes(images, width, part, false),
            bytes(tokens, queries, width, false), bytes(part, width, images, true),
            bytes(queries, width, images * tokens, true),
        ].reduce(0, max)
    }

    /// Overwrites `a.result`; `x` is [N·T, D].
    func forward(_ x: Matrix, _ a: Activations, in context: LayerContext) {
        let (tokens, scratch) = (a.tokens, context.scratch)
        MatrixProduct(x, queries.value, transposeB: true, into: a.attention).run(by: context.member, scratch: scratch)
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let rows = image * tokens..<(image + 1) * tokens
                softmax(a.attention.rows(rows))
                MatrixProduct(
                    a.attention.rows(rows), transposeA: true, x.rows(rows), into: pooled(of: image, a)
                ).run(by: alone, scratch: scratch)
            }
        }
        context.forEachChunk(of: count) { range in
            for query in range {
                MatrixProduct(
                    a.pooled.everyRow(from: query, step: count), values.value.rows(rows(of: query)), transposeB: true,
                    into: a.result.columns(rows(of: query))
                ).run(by: alone, scratch: scratch)
            }
        }
    }

    /// Forms the gradients of both parameters from that of the result [N, D'], which may be what stands in `a.result`.
    func backward(_ dResult: Matrix, _ x: Matrix, _ a: Activations, in context: LayerContext) {
        let (tokens, scratch) = (a.tokens, context.scratch)
        context.forEachChunk(of: count) { range in
            for query in range {
                let (own, z) = (dResult.columns(rows(of: query)), a.pooled.everyRow(from: query, step: count))
                let gradient = values.gradient.rows(rows(of: query))
                var product = MatrixProduct(own, transposeA: true, z, into: gradient)
                product.residual = context.addsToWeightGradients ? gradient : nil
                product.run(by: alone, scratch: scratch)
                // z is needed no more.
                MatrixProduct(own, values.value.rows(rows(of: query)), into: z).run(by: alone, scratch: scratch)
            }
        }
        context.forEachChunk(of: a.images) { range in
            for image in range {
                let rows = image * tokens..<(image + 1) * tokens
                MatrixProduct(x.rows(rows), pooled(of: image, a), transposeB: true, into: a.dAttention.rows(rows))
                    .run(by: alone, scratch: scratch)
                softmaxBackward(a.attention.rows(rows), a.dAttention.rows(rows))
            }
        }
        var product = MatrixProduct(a.attention, transposeA: true, x, into: queries.gradient)
        product.residual = context.addsToWeightGradients ? queries.gradient : nil
        product.run(by: context.member, scratch: scratch)
    }

    private func rows(of query: Int) -> Range<Int> { query * part..<(query + 1) * part }
    private func pooled(of image: Int, _ a: Activations) -> Matrix {
        a.pooled.rows(image * count..<(image + 1) * count)
    }

    /// Scores of an image [T, M] become a.
    private func softmax(_ scores: Matrix) {
        let scale = 1 / Float(width).squareRoot()
        scores.rows(0..<1).clear()
        for query in 0..<scores.columns {
            var (top, total) = (-Float.infinity, Float(0))
            for token in 1..<scores.rows { top = max(top, scores[token, query]) }
            for token in 1..<scores.rows {
                let value = exp((scores[token, query] - top) * scale)
                scores[token, query] = value
                total += value
            }
            for token in 1..<scores.rows { scores[token, query] /= total }
        }
    }

    /// The gradient of scores takes the place of a.
    private func softmaxBackward(_ a: Matrix, _ dA: Matrix) {
        let scale = 1 / Float(width).squareRoot()
        for query in 0..<a.columns {
            var mean: Float = 0
            for token in 1..<a.rows { mean += a[token, query] * dA[token, query] }
            for token in 1..<a.rows { a[token, query] *= (dA[token, query] - mean) * scale }
        }
    }
}
