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

    package init(
        _ parameters: ParameterSet, _ name: String, tokens: Int, heads: Int, width: Int, _ element: ElementType,
        plan: MemoryPlan
    ) {
        func linear(_ part: String) -> Linear { Linear(parameters, "\(name).\(part)", element, plan: plan) }
        norm1 = LayerNorm(parameters, "\(name).norm1")
        qkv = linear("attn.qkv")
        attention = Attention(tokens: tokens, heads: heads, width: width)
        proj = linear("attn.proj")
        norm2 = LayerNorm(parameters, "\(name).norm2")
        fc1 = linear("mlp.fc1")
        fc2 = linear("mlp.fc2")
    }

    /// Scratch memory for `images` images.
    package func scratchBytes(_ element: ElementType, images: Int) -> Int {
        let rows = images * attention.tokens
        let layers = [qkv, proj, fc1, fc2].map {
            Linear.scratchBytes(
                element, rows: rows, inFeatures: $0.weight.value.columns, outFeatures: $0.weight.value.rows)
        }
        return layers.reduce(attention.scratchBytes(element), max)
    }

    /// Rounds and packs the weights; after every change of them.
    package func packWeights(in context: LayerContext) {
        for layer in [qkv, proj, fc1, fc2] { layer.pack(in: context) }
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
        let norm1: Operand
        let norm1Statistics: LayerNorm.Statistics
        /// [N·T, 3D]
        let qkv: Operand
        /// [N·H, T]
        let logSums: Matrix
        let attended: Operand
        /// x₂ [N·T, D]
        let middle: Matrix
        let norm2: Operand
        let norm2Statistics: LayerNorm.Statistics
        /// Before GELU [N·T, M].
        let hidden: Operand

        package init(
            _ name: String, input: Matrix, tokens: Int, heads: Int, hiddenWidth: Int, _ element: ElementType,
            plan: MemoryPlan
        ) {
            let rows = input.rows
            let width = input.columns
            func operand(_ part: String, _ columns: Int) -> Operand {
                plan.operand(.activations, "\(name).\(part)", rows: rows, columns: columns, element)
            }
            self.input = input
            norm1 = operand("norm1", width)
            norm1Statistics = LayerNorm.Statistics(rows: rows, name: "\(name).norm1", plan: plan)
            qkv = operand("attn.qkv", 3 * width)
            logSums = plan.matrix(
                .activations, "\(name).attn.logSums", rows: rows / tokens * heads, columns: tokens)
            attended = operand("attn", width)
            middle = plan.matrix(.activations, "\(name).middle", rows: rows, columns: width)
            norm2 = operand("norm2", width)
            norm2Statistics = LayerNorm.Statistics(rows: rows, name: "\(name).norm2", plan: plan)
            hidden = operand("mlp.fc1", hiddenWidth)
            output = plan.matrix(.activations, "\(name).output", rows: rows, columns: width)
        }
    }

    /// What lives only within one block's forward or backward; all blocks of a stack share it.
    package struct Workspace: Sendable {
        /// The gradient at the block's output [N·T, D], as products read it; the same memory as the gradient itself
        /// where that is fp32.
        package let d: Operand
        /// [N·T, D]
        package let narrow: Operand
        /// [N·T, 3D]
        let qkv: Operand
        /// [N·T, M]: GELU(hidden), and the gradient before GELU.
        let activated: Operand
        let hidden: Operand

        /// - Parameter d: the gradient that goes from block to block.
        package init(_ name: String, d: Matrix, hiddenWidth: Int, _ element: ElementType, plan: MemoryPlan) {
            func operand(_ part: String, _ columns: Int) -> Operand {
                plan.operand(.workspace, "\(name).\(part)", rows: d.rows, columns: columns, element)
            }
            self.d = element == .float32 ? Operand(d) : operand("d", d.columns)
            narrow = operand("dNorm", d.columns)
            qkv = operand("dQKV", 3 * d.columns)
            activated = operand("mlp.act", hiddenWidth)
            hidden = operand("dHidden", hiddenWidth)
        }

        /// Where whoever writes the fp32 gradient has to leave its copy; nil if they are one.
        package var copyOfD: Operand? { d.element == .float32 ? nil : d }
    }

    package func forward(_ a: Activations, _ workspace: Workspace, in context: LayerContext) {
        norm1.forward(a.input, into: a.norm1, a.norm1Statistics, in: context)
        qkv.forward(a.norm1, into: a.qkv, in: context)
        attention.forward(a.qkv, into: a.attended, logSums: a.logSums, in: context)
        proj.forward(a.attended, addingTo: a.input, into: a.middle, in: context)
        norm2.forward(a.middle, into: a.norm2, a.norm2Statistics, in: context)
        fc1.forward(a.norm2, into: a.hidden, gelu: workspace.activated, in: context)
        fc2.forward(workspace.activated, addingTo: a.middle, into: a.output, in: context)
    }

    /// `d` [N·T, D] holds the gradient of the output on entry and of the input on return, `workspace.d` the same as
    /// an operand; forms all parameter gradients of the block.
    package func backward(_ d: Matrix, _ a: Activations, _ workspace: Workspace, in context: LayerContext) {
        let w = workspace
        fc2.inputBackward(w.d, throughGELUOf: a.hidden, into: w.hidden, activated: w.activated, in: context)
        fc2.weightBackward(w.d, x: w.activated, in: context)
        fc1.weightBackward(w.hidden, x: a.norm2, in: context)
        fc1.inputBackward(w.hidden, into: w.narrow, in: context)
        norm2.backward(
            w.narrow, x: a.middle, a.norm2Statistics, into: d, copy: w.copyOfD, accumulate: true, in: context)
        proj.weightBackward(w.d, x: a.attended, in: context)
        proj.inputBackward(w.d, into: w.narrow, in: context)
        attention.backward(w.narrow, qkv: a.qkv, logSums: a.logSums, into: w.qkv, in: context)
        qkv.weightBackward(w.qkv, x: a.norm1, in: context)
        qkv.inputBackward(w.qkv, into: w.narrow, in: context)
        norm1.backward(
            w.narrow, x: a.input, a.norm1Statistics, into: d, copy: w.copyOfD, accumulate: true, in: context)
    }
}
