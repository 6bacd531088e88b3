package import Tensors

/// A tensor under the name and shape by which a file knows it.
package struct NamedTensor: Sendable {
    /// Its elements, in row-major order.
    package enum Content: Sendable {
        /// F32; a view with any stride.
        case floats(Matrix)
        /// I64, such as labels.
        case integers([Int64])

        var count: Int {
            switch self {
            case .floats(let values): values.count
            case .integers(let values): values.count
            }
        }
    }

    package let name: String
    package let shape: [Int]
    package let content: Content

    /// - Parameter content: as many elements as `shape` has.
    package init(_ name: String, shape: [Int], _ content: Content) {
        precondition(shape.allSatisfy { $0 >= 0 } && shape.reduce(1, *) == content.count, "'\(name)' has another shape")
        self.name = name
        self.shape = shape
        self.content = content
    }

    package init(_ name: String, shape: [Int], _ values: Matrix) { self.init(name, shape: shape, .floats(values)) }

    var dtype: Dtype {
        switch content {
        case .floats: .f32
        case .integers: .i64
        }
    }

    var byteCount: Int { content.count * dtype.bits / 8 }
}
