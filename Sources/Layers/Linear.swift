package import Tensors

/// y = x·Wᵀ + b, as torch.nn.Linear; a convolution whose stride is its kernel is one on flattened patches.
package struct Linear: Sendable {
    /// [outFeatures, inFeatures]
    package let weight: Parameter
    /// [1, outFeatures]; nil for a layer without one.
    package let bias: Parameter?
    /// Wᵀ [inFeatures, outFeatures], as forward reads it.
    private let forwardFactor: PackedOperand
    /// W [outFeatures, inFeatures], as the gradient of the input reads it; nil where nobody asks for that.
    private let backwardFactor: PackedOperand?
    /// Whether the factors are packed again for each product, other layers using their memory between.
    private let sharesPacking: Bool

    /// - Parameters:
    ///   - element: of what the products read.
    ///   - space: where the weights are packed for each product; nil to keep them packed, so that `pack` is called once
    ///     per change of them.
    package init(
        _ parameters: ParameterSet, _ name: String, _ element: ElementType, hasBias: Bool = true,
        hasInputGradient: Bool = true,
        packing space: PackingSpace? = nil, plan: MemoryPlan
    ) {
        weight = parameters["\(name).weight"]
        bias = hasBias ? parameters["\(name).bias"] : nil
        func factor(_ name: String, _ rows: Int, _ columns: Int) -> PackedOperand {
            if let space { return PackedOperand(rows: rows, columns: columns, element, in: space) }
            return PackedOperand(name, rows: rows, columns: columns, element, plan: plan)
        }
        let (out, input) = (weight.value.rows, weight.value.columns)
        forwardFactor = factor("\(name).weight", input, out)
        backwardFactor = hasInputGradient ? factor("\(name).weight, transposed", out, input) : nil
        sharesPacking = space != nil
    }

    private static func packingBytes(_ element: ElementType, inFeatures: Int, outFeatures: Int) -> Int {
        max(
            PackedOperand.bytes(rows: inFeatures, columns: outFeatures, element),
            PackedOperand.bytes(rows: outFeatures, columns: inFeatures, element))
    }

    /// A space that the weights of all linear layers among these tensors fit into, one at a time.
    package static func packingSpace(
        for specifications: [ParameterSpecification], _ element: ElementType, plan: MemoryPlan
    ) -> PackingSpace {
        let bytes = specifications.filter { $0.initialization == .xavierUniform }.map {
            packingBytes(element, inFeatures: $0.count / $0.shape[0], outFeatures: $0.shape[0])
        }
        return PackingSpace("weights of a layer", bytes: bytes.reduce(0, max), .workspace, plan: plan)
    }

    package static func specifications(
        _ name: String, inFeatures: Int, outFeatures: Int, hasBias: Bool = true
    ) -> [ParameterSpecification] {
        let weight = ParameterSpecification("\(name).weight", [outFeatures, inFeatures], .xavierUniform)
        return hasBias ? [weight, ParameterSpecification("\(name).bias", [outFeatures], .zeros)] : [weight]
    }

    /// Scratch memory for a layer of these sizes.
    package static func scratchBytes(_ element: ElementType, rows: Int, inFeatures: Int, outFeatures: Int) -> Int {
        func bytes(_ m: Int, _ n: Int, _ k: Int, _ transposeA: Bool) -> Int {
            ScratchMemory.bytes(forProduct: element, m: m, n: n, k: k, transposeA: transposeA)
        }
        return max(
            bytes(rows, outFeatures, inFeatures, false), bytes(rows, inFeatures, outFeatures, false),
            bytes(outFeatures, inFeatures, rows, true))
    }

    /// Rounds and packs the weights if they stay packed; after every change of them, before the next product.
    package func pack(in context: LayerContext) {
        guard !sharesPacking else { return }
        forwardFactor.pack(weight.value, transposed: true, by: context.member)
        backwardFactor?.pack(weight.value, transposed: false, by: context.member)
    }

    /// Overwrites `y` [rows, outFeatures]; `x` is [rows, inFeatures].
    package func forward(_ x: Operand, into y: Matrix, in context: LayerContext) {
        var product = product(of: x, in: context)
        product.result = y
        product.run(by: context.member, scratch: context.scratch)
    }

    package func forward(_ x: Operand, into y: Operand, in context: LayerContext) {
        var product = product(of: x, in: context)
        product.output = y
        product.run(by: context.member, scratch: context.scratch)
    }

    /// Overwrites `z`, if there is one, and `activated` with GELU(z).
    package func forward(_ x: Operand, into z: Operand?, gelu activated: Operand, in context: LayerContext) {
        var product = product(of: x, in: context)
        product.output = z
        product.gelu = activated
        product.run(by: context.member, scratch: context.scratch)
    }

    /// y = residual + x·Wᵀ + b
    ///
    /// - Parameter factors: [1, rows]; of each row of x·Wᵀ + b, 1 if nil.
    package func forward(
        _ x: Operand, times factors: Matrix? = nil, addingTo residual: Matrix, into y: Matrix, in context: LayerContext
    ) {
        var product = product(of: x, in: context)
        product.rowFactors = factors
        product.residual = residual
        product.result = y
        product.run(by: context.member, scratch: context.scratch)
    }

    private func product(of x: Operand, in context: LayerContext) -> MatrixProduct {
        if sharesPacking { forwardFactor.pack(weight.value, transposed: true, by: context.member) }
        var product = MatrixProduct(x, .packed(forwardFactor))
        product.bias = bias?.value
        return product
    }

    /// Forms the gradient of the weight, and adds to that of the bias.
    package func weightBackward(_ dY: Operand, x: Operand, in context: LayerContext) {
        var product = MatrixProduct(dY, transposeA: true, .operand(x, transposed: false))
        product.result = weight.gradient
        product.residual = context.addsToWeightGradients ? weight.gradient : nil
        product.sumsOfA = bias?.gradient
        product.run(by: context.member, scratch: context.scratch)
    }

    /// Overwrites `dX`.
    package func inputBackward(_ dY: Operand, into dX: Operand, in context: LayerContext) {
        var product = inputProduct(dY, in: context)
        product.output = dX
        product.run(by: context.member, scratch: context.scratch)
    }

    package func inputBackward(_ dY: Operand, into dX: Matrix, in context: LayerContext) {
        var product = inputProduct(dY, in: context)
        product.result = dX
        product.run(by: context.member, scratch: context.scratch)
    }

    /// Through the GELU before this layer: overwrites `dZ`, and `activated` with GELU(z), this layer's input.
    package func inputBackward(
        _ dY: Operand, throughGELUOf z: Operand, into dZ: Operand, activated: Operand, in context: LayerContext
    ) {
        var product = inputProduct(dY, in: context)
        product.geluInput = z
        product.gelu = activated
        product.output = dZ
        product.run(by: context.member, scratch: context.scratch)
    }

    private func inputProduct(_ dY: Operand, in context: LayerContext) -> MatrixProduct {
        guard let backwardFactor else { preconditionFailure("this layer was made without an input gradient") }
        if sharesPacking { backwardFactor.pack(weight.value, transposed: false, by: context.member) }
        return MatrixProduct(dY, .packed(backwardFactor))
    }
}
