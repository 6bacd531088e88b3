internal import CVectorKernels
package import Tensors

/// A pre-norm transformer block: x₂ = x + proj(attention(norm1(x))), y = x₂ + fc2(GELU(fc1(norm2(x₂)))).
///
/// Names and order are timm's `Block`. The stream x is changed in place and kept by nobody; backward needs only what
/// `Activations` holds. N images, T tokens, Q tokens whose result is wanted, D width, M hidden width of the MLP.
package struct TransformerBlock: Sendable {
    let norm1: LayerNorm
    let qkv: Linear
    let attention: Attention
    let proj: Linear
    let norm2: LayerNorm
    let fc1: Linear
    let fc2: Linear

    /// The sizes of a block, which works on any number of tokens.
    package struct Shape: Sendable {
        package var heads: Int
        package var width: Int
        package var hiddenWidth: Int
        /// Whether queries, keys and values have biases.
        package var qkvBias: Bool
        /// ε of its norms.
        package var normEpsilon: Double

        package init(
            heads: Int, width: Int, hiddenWidth: Int, qkvBias: Bool = true, normEpsilon: Double = LayerNorm.usualEpsilon
        ) {
            self.heads = heads
            self.width = width
            self.hiddenWidth = hiddenWidth
            self.qkvBias = qkvBias
            self.normEpsilon = normEpsilon
        }
    }

    /// - Parameter space: where weights are packed for each product, or nil to keep them packed.
    package init(
        _ parameters: ParameterSet, _ name: String, _ shape: Shape, _ element: ElementType,
        packing space: PackingSpace? = nil, plan: MemoryPlan
    ) {
        func linear(_ part: String, hasBias: Bool = true) -> Linear {
            Linear(parameters, "\(name).\(part)", element, hasBias: hasBias, packing: space, plan: plan)
        }
        norm1 = LayerNorm(parameters, "\(name).norm1", epsilon: shape.normEpsilon)
        qkv = linear("attn.qkv", hasBias: shape.qkvBias)
        attention = Attention(heads: shape.heads, width: shape.width)
        proj = linear("attn.proj")
        norm2 = LayerNorm(parameters, "\(name).norm2", epsilon: shape.normEpsilon)
        fc1 = linear("mlp.fc1")
        fc2 = linear("mlp.fc2")
    }

    /// Scratch memory for images of `tokens` tokens, at most `rows` in all.
    package func scratchBytes(_ element: ElementType, tokens: Int, rows: Int) -> Int {
        let layers = linearLayers.map {
            Linear.scratchBytes(
                element, rows: rows, inFeatures: $0.weight.value.columns, outFeatures: $0.weight.value.rows)
        }
        // The copy of a gradient with factors is made row by row.
        let row = norm1.weight.value.columns * MemoryLayout<Float>.stride
        return layers.reduce(max(attention.scratchBytes(element, tokens: tokens), row), max)
    }

    /// What each token's branches are multiplied with before they are added to the stream (`DropPath`).
    ///
    /// Neither direction passes over memory for it. Forward multiplies in the epilogue of the product that ends a branch.
    /// What backward has for a branch is the stream's gradient times the factor, and all that it reads of that is the copy
    /// which products read: whoever writes the copy multiplies.
    package struct BranchFactors: Sendable {
        /// [1, N·T]
        let attention: Matrix
        package let mlp: Matrix

        package init(attention: Matrix, mlp: Matrix) {
            self.attention = attention
            self.mlp = mlp
        }
    }

    package var linearLayers: [Linear] { [qkv, proj, fc1, fc2] }

    package static func specifications(_ name: String, _ shape: Shape) -> [ParameterSpecification] {
        let (width, hiddenWidth) = (shape.width, shape.hiddenWidth)
        return LayerNorm.specifications("\(name).norm1", width: width)
            + Linear.specifications(
                "\(name).attn.qkv", inFeatures: width, outFeatures: 3 * width, hasBias: shape.qkvBias)
            + Linear.specifications("\(name).attn.proj", inFeatures: width, outFeatures: width)
            + LayerNorm.specifications("\(name).norm2", width: width)
            + Linear.specifications("\(name).mlp.fc1", inFeatures: width, outFeatures: hiddenWidth)
            + Linear.specifications("\(name).mlp.fc2", inFeatures: hiddenWidth, outFeatures: width)
    }

    /// What forward writes.
    package struct Activations: Sendable {
        /// T, of each image.
        let tokens: Int
        /// Those whose result is wanted; they attend to all.
        let queries: Range<Int>
        /// [N·T, 3D]
        package let qkv: Operand
        /// [N·H, Q]
        let logSums: Matrix
        /// [N·Q, D]
        let attended: Operand
        fileprivate let kept: Kept?
        /// Nil if all are 1; only where all tokens are wanted.
        package var branchFactors: BranchFactors?

        /// What only backward reads.
        struct Kept: Sendable {
            let norm1: LayerNorm.Kept
            let norm2: LayerNorm.Kept
            /// Before GELU [N·Q, M].
            let hidden: Operand
        }

        /// - Parameters:
        ///   - queries: all tokens if nil.
        ///   - projectedRows: rows that `project` is given, where they are not one for each token.
        ///   - hasBackward: whether there will be a backward pass.
        package init(
            _ name: String, images: Int, tokens: Int, _ shape: Shape, queries: Range<Int>? = nil,
            projectedRows: Int? = nil, hasBackward: Bool = true, _ element: ElementType, plan: MemoryPlan
        ) {
            let rows = images * tokens
            let queries = queries ?? 0..<tokens
            let queryRows = images * queries.count
            self.tokens = tokens
            self.queries = queries
            func operand(_ part: String, _ rows: Int, _ columns: Int) -> Operand {
                plan.operand(.activations, "\(name).\(part)", rows: rows, columns: columns, element)
            }
            func norm(_ part: String, _ rows: Int) -> LayerNorm.Kept {
                LayerNorm.Kept("\(name).\(part)", rows: rows, width: shape.width, element, plan: plan)
            }
            qkv = operand("attn.qkv", rows, 3 * shape.width)
            logSums = plan.matrix(
                .activations, "\(name).attn.logSums", rows: images * shape.heads, columns: queries.count)
            attended = operand("attn", queryRows, shape.width)
            kept =
                hasBackward
                ? Kept(
                    norm1: norm("norm1", projectedRows ?? rows), norm2: norm("norm2", queryRows),
                    hidden: operand("mlp.fc1", queryRows, shape.hiddenWidth))
                : nil
        }

        fileprivate var forBackward: Kept {
            guard let kept else { preconditionFailure("these activations were laid out for forward alone") }
            return kept
        }
    }

    /// What lives only within one block's forward or backward; all blocks of a stack share it.
    package struct Workspace: Sendable {
        /// Result of a norm, and gradients of that width [rows, D].
        package let narrow: Operand
        /// GELU(hidden) [rows, M]; in the same memory, the gradient of qkv [rows, 3D].
        let activated: Operand
        package let qkv: Operand
        /// The gradient before GELU [rows, M]; in the same memory, more room for gradients of qkv [rows, 3D].
        let hidden: Operand
        package let otherQKV: Operand

        /// - Parameter rows: the most that a block of the stack is given.
        package init(
            _ name: String, rows: Int, width: Int, hiddenWidth: Int, _ element: ElementType, plan: MemoryPlan
        ) {
            func operand(_ part: String, _ columns: Int) -> Operand {
                plan.operand(.workspace, "\(name).\(part)", rows: rows, columns: columns, element)
            }
            narrow = operand("narrow", width)
            let wide = (
                operand("mlp.act", max(hiddenWidth, 3 * width)), operand("dHidden", max(hiddenWidth, 3 * width))
            )
            activated = wide.0.columns(0..<hiddenWidth)
            qkv = wide.0.columns(0..<3 * width)
            hidden = wide.1.columns(0..<hiddenWidth)
            otherQKV = wide.1.columns(0..<3 * width)
        }
    }

    /// The gradient that goes from block to block, and the same as products read it: the same memory where that is fp32 and
    /// no branch has factors.
    package struct StreamGradient: Sendable {
        package let values: Matrix
        package let operand: Operand

        private let isCopied: Bool

        /// - Parameter hasFactors: whether a branch of a block has factors.
        package init(
            _ name: String, _ values: Matrix, _ element: ElementType, hasFactors: Bool = false, plan: MemoryPlan
        ) {
            self.values = values
            isCopied = hasFactors || element != .float32
            operand =
                isCopied
                ? plan.operand(.workspace, "\(name), operand", rows: values.rows, columns: values.columns, element)
                : Operand(values)
        }

        /// A copy of `values` in the type that products read, for whoever writes `values` to fill, with the factors of the
        /// branch that is next; nil if there is only one.
        package var copy: Operand? { isCopied ? operand : nil }

        /// Fills the copy, if there is one, with factors [1, rows], if there are any.
        package func fillCopy(times factors: Matrix?, in context: LayerContext) {
            guard let copy else { return }
            context.forEachChunk(of: copy.rows) { range in
                guard let factors else { return copy.rows(range).convert(from: values.rows(range)) }
                let scaled = context.scratch.row(of: values.columns)
                for row in range {
                    scaled.copy(from: values.rows(row..<row + 1))
                    unsafe umae_scale(scaled.pointer, factors[0, row], scaled.columns)
                    copy.rows(row..<row + 1).convert(from: scaled)
                }
            }
        }
    }

    /// What of forward fills `a`, where all tokens are wanted. Overwrites `x`.
    package func recompute(_ x: Matrix, _ a: Activations, _ w: Workspace, in context: LayerContext) {
        project(x, into: a.qkv, a, w, in: context)
        attend(a, in: context)
        proj.forward(a.attended, times: a.branchFactors?.attention, addingTo: x, into: x, in: context)
        let normed = w.narrow.rows(0..<x.rows)
        norm2.forward(x, into: normed, a.forBackward.norm2, in: context)
        fc1.forward(normed, into: a.forBackward.hidden, in: context)
    }

    /// The first of three parts of forward, norm1 and qkv; each row of `x` and of `result` stands for itself.
    package func project(
        _ x: Matrix, into result: Operand, _ a: Activations, _ w: Workspace, in context: LayerContext
    ) {
        let normed = w.narrow.rows(0..<x.rows)
        norm1.forward(x, into: normed, a.kept?.norm1, in: context)
        qkv.forward(normed, into: result, in: context)
    }

    /// The second.
    package func attend(_ a: Activations, in context: LayerContext) {
        attention.forward(
            a.qkv, tokens: a.tokens, queries: a.queries, into: a.attended, logSums: a.logSums, in: context)
    }

    /// The third, everything after attention; `x` [N·Q, D], the stream of the queries, becomes the block's output.
    package func finish(_ x: Matrix, _ a: Activations, _ w: Workspace, in context: LayerContext) {
        let normed = w.narrow.rows(0..<x.rows)
        let activated = w.activated.rows(0..<x.rows)
        proj.forward(a.attended, times: a.branchFactors?.attention, addingTo: x, into: x, in: context)
        norm2.forward(x, into: normed, a.kept?.norm2, in: context)
        fc1.forward(normed, into: a.kept?.hidden, gelu: activated, in: context)
        fc2.forward(activated, times: a.branchFactors?.mlp, addingTo: x, into: x, in: context)
    }

    /// Back through `finish`, the first of three parts of backward, which form all parameter gradients of the block and
    /// turn `d`, the gradient of its output, into that of its input. `d` [N·Q, D] becomes the gradient of the stream before
    /// it, `w.narrow` that of the attention's result.
    ///
    /// The copy of `d` must have been multiplied with the factors of the MLP, where there are any.
    package func finishBackward(_ d: StreamGradient, _ a: Activations, _ w: Workspace, in context: LayerContext) {
        let rows = 0..<d.values.rows
        let (dHidden, activated, narrow) = (w.hidden.rows(rows), w.activated.rows(rows), w.narrow.rows(rows))
        let kept = a.forBackward
        fc2.inputBackward(d.operand, throughGELUOf: kept.hidden, into: dHidden, activated: activated, in: context)
        fc2.weightBackward(d.operand, x: activated, in: context)
        fc1.inputBackward(dHidden, into: narrow, in: context)
        norm2.backward(
            narrow, kept.norm2, into: d.values, copy: d.copy, times: a.branchFactors?.attention, y: narrow,
            accumulate: true, in: context)
        fc1.weightBackward(dHidden, x: narrow, in: context)
        proj.weightBackward(d.operand, x: a.attended, in: context)
        proj.inputBackward(d.operand, into: narrow, in: context)
    }

    /// From `w.narrow` to `w.qkv`.
    package func attendBackward(_ a: Activations, _ w: Workspace, in context: LayerContext) {
        attention.backward(
            w.narrow.rows(0..<a.attended.rows), qkv: a.qkv, tokens: a.tokens, queries: a.queries, logSums: a.logSums,
            into: w.qkv.rows(0..<a.qkv.rows), in: context)
    }

    /// Back through `project`: adds to `d`, or overwrites it unless `accumulate`; `dQKV` is what `project` gave.
    ///
    /// - Parameter next: the factors of the block before this one, which reads `d` next.
    package func projectBackward(
        _ dQKV: Operand, _ d: StreamGradient, accumulate: Bool, _ a: Activations, _ w: Workspace,
        next: BranchFactors? = nil, in context: LayerContext
    ) {
        let narrow = w.narrow.rows(0..<dQKV.rows)
        qkv.inputBackward(dQKV, into: narrow, in: context)
        norm1.backward(
            narrow, a.forBackward.norm1, into: d.values, copy: d.copy, times: next?.mlp, y: narrow,
            accumulate: accumulate,
            in: context)
        qkv.weightBackward(dQKV, x: narrow, in: context)
    }
}
