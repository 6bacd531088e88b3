internal import Foundation
internal import LinearAlgebra
internal import Tensors

/// The singular values of features [n, D], and what is said of them in one number. All of these are 0 for features that are
/// all zero.
package struct Spectrum: Equatable, Sendable {
    /// Descending.
    package let singularValues: [Double]

    package init(singularValues: [Double]) { self.singularValues = singularValues }

    /// Of the features as they are.
    package static func raw(_ moments: FeatureMoments) -> Spectrum { Spectrum(gram: moments.gramCopy()) }

    /// Of the features less their mean.
    package static func centred(_ moments: FeatureMoments) -> Spectrum { Spectrum(gram: moments.centredGram()) }

    /// The square roots of the eigenvalues of ZᵀZ, which is overwritten.
    private init(gram: MatrixView<Double>) {
        let values = SymmetricEigen.values(of: gram)
        // What rounding has made of 0 may be negative.
        singularValues = values.reversed().map { max($0, 0).squareRoot() }
    }

    /// The exponential of the entropy of σ/Σσ: Roy and Vetterli's effective rank, which is RankMe of features as they are
    /// (Garrido et al. 2023).
    package var rankMe: Double { Self.exponentialOfEntropy(singularValues) }

    /// (Σλ)²/Σλ² of the eigenvalues λ = σ²: the participation ratio, which pretraining logs of its class features as
    /// `effective_rank`.
    package var participationRatio: Double {
        let eigenvalues = singularValues.map { $0 * $0 }
        let (sum, squares) = eigenvalues.reduce(into: (0.0, 0.0)) { ($0.0, $0.1) = ($0.0 + $1, $0.1 + $1 * $1) }
        return squares > 0 ? sum * sum / squares : 0
    }

    /// α of the power law λ_j ∝ j^-α that fits the eigenvalues of ranks 5 to 50 (or as many as there are), each rank weighed
    /// by its inverse, as α-ReQ does (Agrawal et al. 2022, after Stringer et al. 2019); nil with fewer than two of them.
    package var powerLawExponent: Double? {
        let ranks = singularValues.indices.dropFirst(4).prefix(46).filter { singularValues[$0] > 0 }
        guard ranks.count >= 2 else { return nil }
        let points = ranks.map { (x: -log(Double($0 + 1)), y: 2 * log(singularValues[$0]), w: 1 / Double($0 + 1)) }
        let total = points.reduce(0) { $0 + $1.w }
        let (x, y) = points.reduce(into: (0.0, 0.0)) {
            ($0.0, $0.1) = ($0.0 + $1.w * $1.x / total, $0.1 + $1.w * $1.y / total)
        }
        let (covariance, variance) = points.reduce(into: (0.0, 0.0)) {
            ($0.0, $0.1) = ($0.0 + $1.w * ($1.x - x) * ($1.y - y), $0.1 + $1.w * ($1.x - x) * ($1.x - x))
        }
        return covariance / variance
    }

    /// How many equal parts would be as spread as these.
    static func exponentialOfEntropy(_ parts: [Double]) -> Double {
        let total = parts.reduce(0, +)
        guard total > 0 else { return 0 }
        return exp(
            parts.reduce(0) { entropy, part in
                let share = part / total
                return share > 0 ? entropy - share * log(share) : entropy
            })
    }
}
