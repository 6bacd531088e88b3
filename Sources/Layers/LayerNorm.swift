package import Tensors
internal import CVectorKernels

/// Layer normalisation over the last axis (Ba, Kiros and Hinton 2016).
package struct LayerNorm: Sendable {
    /// ε of ViT and MAE.
    package static let usualEpsilon = 1e-6

    /// γ [1, D]
    package let weight: Parameter
    /// β [1, D]
    package let bias: Parameter
    private let epsilon: Float

    /// What backward needs: the normalised input and each row's reciprocal standard deviation. The input itself, which
    /// is fp32, need not be kept.
    package struct Kept: Sendable {
        /// x̂ = (x - mean) / deviation [rows, D]
        let normalized: Operand
        let rstd: Matrix

        package init(_ name: String, rows: Int, width: Int, _ element: ElementType, plan: MemoryPlan) {
            normalized = plan.operand(.activations, "\(name).normalized", rows: rows, columns: width, element)
            rstd = plan.matrix(.activations, "\(name).rstd", rows: 1, columns: rows)
        }
    }

    package init(_ parameters: ParameterSet, _ name: String, epsilon: Double = usualEpsilon) {
        self.epsilon = Float(epsilon)
        weight = parameters["\(name).weight"]
        bias = parameters["\(name).bias"]
    }

    package static func specifications(_ name: String, width: Int) -> [ParameterSpecification] {
        [
            ParameterSpecification("\(name).weight", [width], .ones),
            ParameterSpecification("\(name).bias", [width], .zeros),
        ]
    }

    /// Overwrites `y` [rows, D] and `kept`, both of one type; rows of `x` and `y` may be strided.
    ///
    /// - Parameter kept: nil if there will be no backward.
    package func forward(_ x: Matrix, into y: Operand, _ kept: Kept?, in context: LayerContext) {
        let hat = kept?.normalized
        precondition(y.rows == x.rows && (hat?.rows ?? y.rows) == y.rows && (hat?.element ?? y.element) == y.element)
        context.member.forEachPiece(of: x.rows) { range in
            unsafe umae_layernorm_forward(
                y.element.kernel, x.rows(range).pointer, x.stride, weight.value.pointer, bias.value.pointer,
                y.rows(range).pointer, y.stride, hat?.rows(range).pointer, hat?.stride ?? 0,
                kept?.rstd.columns(range).pointer, range.count, x.columns, epsilon)
        }
    }

    /// Adds to `dX` (overwrites it unless `accumulate`) and to the gradients of γ and β.
    ///
    /// - Parameters:
    ///   - copy: gets what `dX` then is, as an operand of `dY`'s type; nil if nobody needs one.
    ///   - factors: [1, rows]; of each row of `copy`, 1 if nil.
    ///   - y: gets what forward wrote, for whoever did not keep it; may be `dY`.
    package func backward(
        _ dY: Operand, _ kept: Kept, into dX: Matrix, copy: Operand? = nil, times factors: Matrix? = nil,
        y: Operand? = nil, accumulate: Bool, in context: LayerContext
    ) {
        let hat = kept.normalized
        precondition(hat.element == dY.element)
        precondition((copy?.element ?? dY.element) == dY.element && (y?.element ?? dY.element) == dY.element)
        precondition(hat.rows == dY.rows && dX.rows == dY.rows)
        context.forEachChunk(ofRows: dY.rows, summingInto: weight.gradient, bias.gradient) { range, dGamma, dBeta in
            var p = unsafe umae_layernorm_gradient()
            unsafe p.type = dY.element.kernel
            unsafe (p.rows, p.width) = (range.count, dX.columns)
            unsafe (p.dy, p.dy_stride) = (UnsafeRawPointer(dY.rows(range).pointer), dY.stride)
            unsafe (p.hat, p.hat_stride) = (UnsafeRawPointer(hat.rows(range).pointer), hat.stride)
            unsafe p.rstd = UnsafePointer(kept.rstd.columns(range).pointer)
            unsafe p.gamma = UnsafePointer(weight.value.pointer)
            unsafe p.beta = UnsafePointer(bias.value.pointer)
            unsafe (p.dx, p.dx_stride, p.accumulate) = (dX.rows(range).pointer, dX.stride, accumulate)
            if let copy { unsafe (p.copy, p.copy_stride) = (copy.rows(range).pointer, copy.stride) }
            if let factors { unsafe p.copy_scale = UnsafePointer(factors.columns(range).pointer) }
            if let y { unsafe (p.y, p.y_stride) = (y.rows(range).pointer, y.stride) }
            unsafe (p.dgamma, p.dbeta) = (dGamma.pointer, dBeta.pointer)
            unsafe umae_layernorm_backward(&p)
        }
    }
}
