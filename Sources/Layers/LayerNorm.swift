package import Tensors
internal import CVectorKernels

/// Layer normalisation over the last axis, ε = 1e-6 as in ViT and MAE (Ba, Kiros and Hinton 2016).
package struct LayerNorm: Sendable {
    package static let epsilon: Float = 1e-6

    /// γ [1, D]
    package let weight: Parameter
    /// β [1, D]
    package let bias: Parameter

    /// Mean and reciprocal standard deviation of each row, which backward needs.
    package struct Statistics: Sendable {
        let mean: Matrix
        let rstd: Matrix

        package init(rows: Int, name: String, plan: MemoryPlan) {
            mean = plan.matrix(.activations, "\(name).mean", rows: 1, columns: rows)
            rstd = plan.matrix(.activations, "\(name).rstd", rows: 1, columns: rows)
        }
    }

    package init(_ parameters: ParameterSet, _ name: String) {
        weight = parameters["\(name).weight"]
        bias = parameters["\(name).bias"]
    }

    package static func specifications(_ name: String, width: Int) -> [ParameterSpecification] {
        [
            ParameterSpecification("\(name).weight", [width], .ones),
            ParameterSpecification("\(name).bias", [width], .zeros),
        ]
    }

    /// Overwrites `y` [rows, D] and `statistics`; rows of `x` and `y` may be strided.
    package func forward(_ x: Matrix, into y: Operand, _ statistics: Statistics, in context: LayerContext) {
        context.forEachChunk(of: x.rows) { range in
            unsafe umae_layernorm_forward(
                y.element.kernel, x.rows(range).pointer, x.stride, weight.value.pointer, bias.value.pointer,
                y.rows(range).pointer, y.stride, statistics.mean.columns(range).pointer,
                statistics.rstd.columns(range).pointer, range.count, x.columns, Self.epsilon)
        }
    }

    /// Adds to `dX` (overwrites it unless `accumulate`) and to the gradients of γ and β.
    ///
    /// - Parameter copy: gets what `dX` then is, as an operand of `dY`'s type; nil if nobody needs one.
    package func backward(
        _ dY: Operand, x: Matrix, _ statistics: Statistics, into dX: Matrix, copy: Operand? = nil, accumulate: Bool,
        in context: LayerContext
    ) {
        precondition(copy == nil || copy?.element == dY.element)
        context.forEachChunk(ofRows: x.rows, summingInto: weight.gradient, bias.gradient) { range, dGamma, dBeta in
            unsafe umae_layernorm_backward(
                dY.element.kernel, dY.rows(range).pointer, dY.stride, x.rows(range).pointer, x.stride,
                weight.value.pointer, statistics.mean.columns(range).pointer, statistics.rstd.columns(range).pointer,
                dX.rows(range).pointer, dX.stride, accumulate, copy?.rows(range).pointer, copy?.stride ?? 0,
                dGamma.pointer, dBeta.pointer, range.count, x.columns)
        }
    }
}
