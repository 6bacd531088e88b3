package import Tensors

/// The declaration of one tensor of a model: its state-dict name, shape and role.
package struct ParameterSpecification: Sendable, Equatable {
    /// How a fresh model fills the tensor.
    package enum Initialization: Sendable, Equatable {
        case zeros, ones
        /// Normal with this standard deviation.
        case normal(Float)
        /// Uniform in ±sqrt(6 / (fanIn + fanOut)), the tensor seen as [shape[0], rest].
        case xavierUniform
        /// Values the model computes: fixed positions.
        case computed
    }

    package let name: String
    package let shape: [Int]
    package let initialization: Initialization
    package let isTrainable: Bool

    package init(_ name: String, _ shape: [Int], _ initialization: Initialization, isTrainable: Bool = true) {
        self.name = name
        self.shape = shape
        self.initialization = initialization
        self.isTrainable = isTrainable
    }

    package var count: Int { shape.reduce(1, *) }
}

/// One tensor of a model and where its gradient is summed.
package struct Parameter: Sendable {
    /// [shape[0], rest], or [1, n] for tensors of one dimension.
    package let value: Matrix
    /// The gradient, in the shape of `value`; an empty matrix for tensors that are not trained.
    package let gradient: Matrix

    package init(value: Matrix, gradient: Matrix) {
        self.value = value
        self.gradient = gradient
    }
}

/// All tensors of a model: trainable values, and their gradients, each in one buffer in forward order.
///
/// A gradient bucket is a range of that buffer, the optimizer is one pass over it, a checkpoint is slices of it.
package final class ParameterSet: Sendable {
    package let specifications: [ParameterSpecification]
    /// [1, n]: every trainable value, in forward order.
    package let values: Matrix
    /// [1, n]: their gradients.
    package let gradients: Matrix
    /// [1, m]: what is not trained.
    package let constants: Matrix
    /// Gradients that are summed over rows and micro-batches: all but those of the weights of linear layers, which the first
    /// micro-batch of an update overwrites.
    private let summedGradients: [Matrix]
    private let ranges: [String: Range<Int>]
    private let byName: [String: ParameterSpecification]

    package init(_ specifications: [ParameterSpecification], plan: MemoryPlan) {
        self.specifications = specifications
        var ranges: [String: Range<Int>] = [:]
        var trainable = 0
        var constant = 0
        for specification in specifications {
            let start = specification.isTrainable ? trainable : constant
            ranges[specification.name] = start..<start + specification.count
            if specification.isTrainable { trainable += specification.count } else { constant += specification.count }
        }
        precondition(ranges.count == specifications.count, "two tensors have one name")
        self.ranges = ranges
        byName = Dictionary(uniqueKeysWithValues: specifications.map { ($0.name, $0) })
        values = plan.matrix(.weights, "parameters", rows: 1, columns: trainable)
        let gradients = plan.matrix(.gradients, "gradients", rows: 1, columns: trainable)
        self.gradients = gradients
        summedGradients = specifications.filter { $0.isTrainable && $0.initialization != .xavierUniform }
            .compactMap { ranges[$0.name].map(gradients.columns) }
        constants = plan.matrix(.weights, "fixed positions", rows: 1, columns: constant)
    }

    package var trainable: [ParameterSpecification] { specifications.filter(\.isTrainable) }

    /// The elements of `values` (of `constants` for a tensor that is not trained) that hold the tensor.
    package func range(of name: String) -> Range<Int> {
        guard let range = ranges[name] else { preconditionFailure("no tensor \(name)") }
        return range
    }

    /// The elements of `values` that hold these tensors, which follow one another; those that are not trained have none.
    package func range(of specifications: [ParameterSpecification]) -> Range<Int> {
        let trained = specifications.filter(\.isTrainable)
        guard let first = trained.first, let last = trained.last else { return 0..<0 }
        let whole = range(of: first.name).lowerBound..<range(of: last.name).upperBound
        precondition(whole.count == trained.reduce(0) { $0 + $1.count }, "other tensors are between these")
        return whole
    }

    /// Prepares the gradients for the first micro-batch of an update.
    package func clearSummedGradients() {
        for gradient in summedGradients { gradient.clear() }
    }

    package subscript(name: String) -> Parameter {
        guard let specification = byName[name] else { preconditionFailure("no tensor \(name)") }
        let range = range(of: name)
        let rows = specification.shape.count > 1 ? specification.shape[0] : 1
        let columns = specification.count / rows
        let buffer = specification.isTrainable ? values : constants
        let value = buffer.columns(range).reshaped(rows: rows, columns: columns)
        guard specification.isTrainable else { return Parameter(value: value, gradient: value.rows(0..<0)) }
        return Parameter(
            value: value, gradient: gradients.columns(range).reshaped(rows: rows, columns: columns))
    }
}
