internal import Training

/// What pretraining reports of a step.
package struct PretrainFigures: StepFigures, Codable, Equatable {
    /// Mean over the global batch.
    package var reconstruction = 0.0
    package var regularizer = 0.0
    /// ‖ZᵀZ‖² / trace² of the class features Z, the reciprocal of their participation ratio.
    package var inverseEffectiveRank = 0.0
    /// Mean cosine between the features of two views of an image; 0 where each has one view.
    package var alignment = 0.0
    /// Of the online classifier, a mean; 0 without one.
    package var crossEntropy = 0.0
    /// Images that the online classifier got right, each of M views being 1/M of one.
    package var correct = 0.0

    package init() {}

    package mutating func combine(with other: PretrainFigures, _ body: (inout Double, Double) -> Void) {
        body(&reconstruction, other.reconstruction)
        body(&regularizer, other.regularizer)
        body(&inverseEffectiveRank, other.inverseEffectiveRank)
        body(&alignment, other.alignment)
        body(&crossEntropy, other.crossEntropy)
        body(&correct, other.correct)
    }

    package func forEachLoss(_ body: (_ name: String, _ value: Double) -> Void) {
        body("reconstruction loss", reconstruction)
        body("regulariser", regularizer)
        body("classifier's cross-entropy", crossEntropy)
    }

    /// As checkpoints have called them from the start.
    enum CodingKeys: String, CodingKey {
        case reconstruction, alignment, crossEntropy, correct
        case regularizer = "uniformity"
        case inverseEffectiveRank = "spectral"
    }
}
