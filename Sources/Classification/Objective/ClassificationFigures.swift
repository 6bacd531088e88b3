internal import Training

/// What the training of a classifier reports of a step.
package struct ClassificationFigures: StepFigures, Codable, Equatable {
    /// Mean over the global batch.
    package var crossEntropy = 0.0
    /// Images whose likeliest class is the one that they mostly are.
    package var correct = 0.0

    package init() {}

    init(_ outcome: SoftTargetCrossEntropy.Outcome) {
        crossEntropy = outcome.crossEntropy
        correct = Double(outcome.correct)
    }

    package mutating func combine(with other: ClassificationFigures, _ body: (inout Double, Double) -> Void) {
        body(&crossEntropy, other.crossEntropy)
        body(&correct, other.correct)
    }

    package func forEachLoss(_ body: (_ name: String, _ value: Double) -> Void) { body("cross-entropy", crossEntropy) }
}
