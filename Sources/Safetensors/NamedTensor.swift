package import Tensors

/// A tensor of fp32 elements under the name and shape by which a file knows it.
package struct NamedTensor: Sendable {
    package let name: String
    package let shape: [Int]
    package let values: Matrix

    /// - Parameter values: as many elements as `shape` has, in row-major order; a view with any stride.
    package init(_ name: String, shape: [Int], _ values: Matrix) {
        precondition(shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == values.count, "'\(name)' has another shape")
        self.name = name
        self.shape = shape
        self.values = values
    }
}
