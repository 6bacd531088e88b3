import Foundation

/// Compares directional derivatives with finite differences, for several losses at once.
///
/// No one step suits every tensor: a short one drowns in the rounding of fp32, a long one in the loss's curvature. So
/// steps are halved from a large part of the tensor's own size on, and of each loss the slope is taken that is known best:
/// where what two halvings changed, and the rounding, are least together.
package struct GradientCheck {
    /// What finite differences say of one loss.
    package struct Slope: Equatable, Sendable {
        package let value: Double
        /// How far off that may be.
        package let uncertainty: Double

        package init(value: Double, uncertainty: Double) {
            self.value = value
            self.uncertainty = uncertainty
        }

        /// Whether a computed derivative agrees. What is not a number agrees with nothing.
        package func agrees(with derivative: Double) -> Bool {
            abs(value - derivative) <= GradientCheck.tolerance * abs(derivative) + uncertainty
        }

        /// Whether it would tell a derivative from one that is a tenth off.
        package func resolves(_ derivative: Double) -> Bool { uncertainty <= 0.1 * abs(derivative) }
    }

    /// Relative difference that is left to what steps do not show.
    static var tolerance: Double { 5e-3 }
    /// Steps tried: from an eighth of the tensor's size to a thirty-thousandth.
    private static var steps: Int { 13 }
    private static var largest: Double { 1.0 / 8 }
    /// Differences between neighbouring steps that the least uncertainty is still to cover.
    private static var margin: Double { 4 }

    /// - Parameters:
    ///   - size: of the tensor; steps are parts of it.
    ///   - noise: what rounding changes of each loss.
    ///   - losses: at this distance along the direction.
    package static func slopes(
        size: Double, noise: [Double], losses: (Double) throws -> [Double]
    ) rethrows -> [Slope] {
        func difference(_ step: Double) throws -> [Double] {
            let (ahead, behind) = (try losses(step), try losses(-step))
            return zip(ahead, behind).map { $0 - $1 }
        }
        var step = size * largest
        var far = try difference(2 * step)
        var before: [[Double]] = []
        var best = noise.map { _ in Slope(value: .nan, uncertainty: .infinity) }
        for _ in 0..<steps {
            let near = try difference(step)
            // A five-point stencil, whose error falls with the fourth power of the step.
            let slopes = zip(near, far).map { (8 * $0 - $1) / (12 * step) }
            // Two slopes may agree by chance, three hardly.
            if before.count > 1 {
                let (last, first) = (before[before.count - 1], before[before.count - 2])
                for index in slopes.indices {
                    let change = max(abs(slopes[index] - last[index]), abs(last[index] - first[index]) / 4)
                    let uncertainty = margin * (change + noise[index] / step)
                    if uncertainty < best[index].uncertainty || best[index].value.isNaN {
                        best[index] = Slope(value: slopes[index], uncertainty: uncertainty)
                    }
                }
            }
            // A loss that does not move at all does not depend on the tensor.
            let isEnough = best.indices.allSatisfy {
                best[$0].uncertainty <= 0.5 * tolerance * abs(best[$0].value)
                    || (slopes[$0] == 0 && before.last?[$0] == 0)
            }
            if before.count > 1 && isEnough { break }
            before.append(slopes)
            far = near
            step /= 2
        }
        return best
    }
}
