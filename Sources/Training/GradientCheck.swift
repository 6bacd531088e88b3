import Foundation

/// Compares a gradient with finite differences along one direction.
package enum GradientCheck {
    /// The slope of `loss` at 0 by a five-point stencil, whose error falls with the fourth power of `step`.
    package static func slope(step: Double, loss: (Double) throws -> Double) rethrows -> Double {
        let near = try loss(step) - loss(-step)
        let far = try loss(2 * step) - loss(-2 * step)
        return (8 * near - far) / (12 * step)
    }
}
