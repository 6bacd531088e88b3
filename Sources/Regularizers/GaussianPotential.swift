internal import Foundation
internal import Tensors

/// The sum over pairs of different images of exp(-t ‖zᵢ - zⱼ‖²), of which Wang and Isola's uniformity is the logarithm.
struct GaussianPotential: Sendable {
    let t: Double
    /// [1, 1], of this rank's images with all others, and of all pairs.
    let own: MatrixView<Double>
    let all: MatrixView<Double>

    init(t: Double, ranks: Int, plan: MemoryPlan) {
        self.t = t
        own = plan.view(.exchange, "sum over pairs of this rank", rows: 1, columns: 1)
        all = ranks > 1 ? plan.view(.exchange, "sum over all pairs", rows: 1, columns: 1) : own
    }

    /// Replaces the products of this rank's `row` by what each pair adds, that of the image with itself by 0.
    ///
    /// - Returns: their sum.
    func form(row: Int, of pairs: FeaturePairs) -> Double {
        var total = 0.0
        pairs.forEachOther(row: row) { image, distance in
            let value = exp(-t * distance)
            pairs.products[row, image] = Float(value)
            total += value
        }
        pairs.products[row, pairs.own.lowerBound + row] = 0
        return total
    }
}
