package import Tensors
internal import CVectorKernels

/// A pre-norm transformer block: x₂ = x + proj(attention(norm1(x))), y = x₂ + fc2(GELU(fc1(norm2(x₂)))).
///
/// Names and order are timm's `Block`. N images, T tokens, D width, M hidden width of the MLP.
package struct TransformerBlock: Sendable {
    let norm1: LayerNorm
    let qkv: Linear
    let attention: Attention
    let proj: Linear
    let norm2: LayerNorm
    let fc1: Linear
    let fc2: Linear

    package init(_ parameters: ParameterSet, _ name: String, tokens: Int, heads: Int, width: Int) {
        norm1 = LayerNorm(parameters, "\(name).norm1")
        qkv = Linear(parameters, "\(name).attn.qkv")
        attention = Attention(tokens: tokens, heads: heads, width: width)
        proj = Linear(parameters, "\(name).attn.proj")
        norm2 = LayerNorm(parameters, "\(name).norm2")
        fc1 = Linear(parameters, "\(name).mlp.fc1")
        fc2 = Linear(parameters, "\(name).mlp.fc2")
    }

    package static func specifications(_ name: String, width: Int, hiddenWidth: Int) -> [ParameterSpecification] {
        LayerNorm.specifications("\(name).norm1", width: width)
            + Linear.specifications("\(name).attn.qkv", inFeatures: width, outFeatures: 3 * width)
            + Linear.specifications("\(name).attn.proj", inFeatures: width, outFeatures: width)
            + LayerNorm.specifications("\(name).norm2", width: width)
            + Linear.specifications("\(name).mlp.fc1", inFeatures: width, outFeatures: hiddenWidth)
            + Linear.specifications("\(name).mlp.fc2", inFeatures: hiddenWidth, outFeatures: width)
    }

    /// What forward keeps for backward.
    package struct Activations: Sendable {
        /// The block's input [N·T, D], which the block before it wrote.
        package let input: Matrix
        package let output: Matrix
        let norm1: Matrix
        let norm1Statistics: LayerNorm.Statistics
        /// [N·T, 3D]
        let qkv: Matrix
        let attended: Matrix
        /// x₂ [N·T, D]
        let middle: Matrix
        let norm2: Matrix
        let norm2Statistics: LayerNorm.Statistics
        /// Before and after GELU [N·T, M].
        let hidden: Matrix
        let activated: Matrix

        package init(_ name: String, input: Matrix, hiddenWidth: Int, plan: MemoryPlan) {
            let rows = input.rows
            let width = input.columns
            func activation(_ part: String, _ columns: Int) -> Matrix {
                plan.matrix(.activations, "\(name).\(part)", rows: rows, columns: columns)
            }
            self.input = input
            norm1 = activation("norm1", width)
            norm1Statistics = LayerNorm.Statistics(rows: rows, name: "\(name).norm1", plan: plan)
            qkv = activation("attn.qkv", 3 * width)
            attended = activation("attn", width)
            middle = activation("middle", width)
            norm2 = activation("norm2", width)
            norm2Statistics = LayerNorm.Statistics(rows: rows, name: "\(name).norm2", plan: plan)
            hidden = activation("mlp.fc1", hiddenWidth)
            activated = activation("mlp.act", hiddenWidth)
            output = activation("output", width)
        }
    }

    /// Gradients that live only within one block's backward; all blocks of a stack share them.
    package struct Workspace: Sendable {
        /// [N·T, D]
        let narrow: Matrix
        /// [N·T, 3D]
        let qkv: Matrix
        /// [N·T, M]
        let hidden: Matrix

        package init(_ name: String, rows: Int, width: Int, hiddenWidth: Int, plan: MemoryPlan) {
            narrow = plan.matrix(.workspace, "\(name).dNorm", rows: rows, columns: width)
            qkv = plan.matrix(.workspace, "\(name).dQKV", rows: rows, columns: 3 * width)
            hidden = plan.matrix(.workspace, "\(name).dHidden", rows: rows, columns: hiddenWidth)
        }
    }

    package func forward(_ a: Activations, in context: LayerContext) {
        norm1.forward(a.input, into: a.norm1, a.norm1Statistics, in: context)
        qkv.forward(a.norm1, into: a.qkv, in: context)
        attention.forward(a.qkv, into: a.attended, in: context)
        proj.forward(a.attended, addingTo: a.input, into: a.middle, in: context)
        norm2.forward(a.middle, into: a.norm2, a.norm2Statistics, in: context)
        fc1.forwardWithoutBias(a.norm2, into: a.hidden, in: context)
        context.team.forEachChunk(of: a.hidden.rows) { range in
            unsafe umae_bias_gelu_forward(
                a.hidden.rows(range).pointer, fc1.bias.value.pointer, a.activated.rows(range).pointer, range.count,
                a.hidden.columns)
        }
        fc2.forward(a.activated, addingTo: a.middle, into: a.output, in: context)
    }

    /// `d` [N·T, D] holds the gradient of the output on entry and of the input on return; adds to all parameter
    /// gradients of the block.
    package func backward(_ d: Matrix, _ a: Activations, _ workspace: Workspace, in context: LayerContext) {
        fc2.backward(d, x: a.activated, into: workspace.hidden, in: context)
        context.forEachChunk(ofRows: d.rows, summingInto: fc1.bias.gradient) { range, sums, _ in
            unsafe umae_gelu_backward(
                workspace.hidden.rows(range).pointer, a.hidden.rows(range).pointer, sums.pointer, range.count,
                a.hidden.columns)
        }
        fc1.backwardWithoutBias(workspace.hidden, x: a.norm2, into: workspace.narrow, in: context)
        norm2.backward(workspace.narrow, x: a.middle, a.norm2Statistics, into: d, accumulate: true, in: context)
        proj.backward(d, x: a.attended, into: workspace.narrow, in: context)
        attention.backward(workspace.narrow, qkv: a.qkv, into: workspace.qkv, in: context)
        qkv.backward(workspace.qkv, x: a.norm1, into: workspace.narrow, in: context)
        norm1.backward(workspace.narrow, x: a.input, a.norm1Statistics, into: d, accumulate: true, in: context)
    }
}
