package import Tensors
internal import CVectorKernels

/// y = x·Wᵀ + b, as torch.nn.Linear; a convolution whose stride is its kernel is one on flattened patches.
package struct Linear: Sendable {
    /// [outFeatures, inFeatures]
    package let weight: Parameter
    /// [1, outFeatures]
    package let bias: Parameter

    package init(_ parameters: ParameterSet, _ name: String) {
        weight = parameters["\(name).weight"]
        bias = parameters["\(name).bias"]
    }

    package static func specifications(_ name: String, inFeatures: Int, outFeatures: Int) -> [ParameterSpecification] {
        [
            ParameterSpecification("\(name).weight", [outFeatures, inFeatures], .xavierUniform),
            ParameterSpecification("\(name).bias", [outFeatures], .zeros),
        ]
    }

    /// Overwrites `y` [rows, outFeatures]; `x` is [rows, inFeatures].
    package func forward(_ x: Matrix, into y: Matrix, in context: LayerContext) {
        forwardWithoutBias(x, into: y, in: context)
        context.team.forEachChunk(of: y.rows) { range in
            unsafe umae_add_bias(y.rows(range).pointer, y.stride, bias.value.pointer, range.count, y.columns)
        }
    }

    /// y = x·Wᵀ, for callers that fold the bias into their next pass.
    package func forwardWithoutBias(_ x: Matrix, into y: Matrix, in context: LayerContext) {
        matrixProduct(x, weight.value, transposeB: true, into: y, on: context.team)
    }

    /// y = residual + x·Wᵀ + b: the residual and bias are where the product starts to sum. Contiguous operands.
    package func forward(_ x: Matrix, addingTo residual: Matrix, into y: Matrix, in context: LayerContext) {
        context.team.forEachChunk(of: y.rows) { range in
            unsafe umae_residual_bias(
                residual.rows(range).pointer, bias.value.pointer, y.rows(range).pointer, range.count, y.columns)
        }
        matrixProduct(x, weight.value, transposeB: true, into: y, accumulate: true, on: context.team)
    }

    /// Overwrites `dX` unless it is nil; adds to the gradients of weight and bias.
    package func backward(_ dY: Matrix, x: Matrix, into dX: Matrix?, in context: LayerContext) {
        biasBackward(dY, in: context)
        backwardWithoutBias(dY, x: x, into: dX, in: context)
    }

    package func backwardWithoutBias(_ dY: Matrix, x: Matrix, into dX: Matrix?, in context: LayerContext) {
        matrixProduct(dY, transposeA: true, x, into: weight.gradient, accumulate: true, on: context.team)
        if let dX { matrixProduct(dY, weight.value, into: dX, on: context.team) }
    }

    package func biasBackward(_ dY: Matrix, in context: LayerContext) {
        context.forEachChunk(ofRows: dY.rows, summingInto: bias.gradient) { range, sums, _ in
            unsafe umae_column_sums(dY.rows(range).pointer, dY.stride, sums.pointer, range.count, dY.columns)
        }
    }
}
