internal import Foundation
internal import Models
package import Runs
package import Safetensors
package import Training
internal import TrainingRuns

/// What a pretraining run has of its own.
package final class PretrainTask: TrainingTask {
    package typealias TrainedObjective = PretrainObjective

    package let configuration: PretrainConfiguration
    let model: MaskedAutoencoder
    private let hasClassifier: Bool
    /// What looks at the features, and after how many epochs; after the last one in any case.
    package var evaluation: (by: any FeatureEvaluation, every: Int)?

    init(_ configuration: PretrainConfiguration, _ model: MaskedAutoencoder, hasClassifier: Bool) {
        self.configuration = configuration
        self.model = model
        self.hasClassifier = hasClassifier
    }

    package func initialize() { model.initialize(seed: configuration.seed) }
    package func load(_ weights: SafetensorsFile) throws { try model.loadWeights(from: weights) }

    package func figures(of outcome: StepOutcome<PretrainFigures>) -> [ProgressLine.Field] {
        let (figures, loss) = (outcome.figures, configuration.loss)
        let total = figures.reconstruction + loss.weight * figures.regularizer
        let fields: [ProgressLine.Field] = [
            .init(String(format: "loss %.4f", total), rank: 2),
            .init(String(format: "mae %.4f", figures.reconstruction), rank: 5),
            .init(String(format: "reg %.4f", figures.regularizer), rank: 6),
        ]
        guard hasClassifier else { return fields }
        let accuracy = 100 * figures.correct / Double(outcome.images)
        return fields + [.init(String(format: "acc %4.1f%%", accuracy), rank: 7)]
    }

    package func line(for state: PretrainState) throws -> LogLine {
        LogLine(state, hasClassifier: hasClassifier, heldOut: try evaluate(after: state.epoch))
    }

    /// What the features are worth after an epoch, where that is looked at. Collective.
    private func evaluate(after epoch: Int) throws -> HeldOutFigures? {
        guard let evaluation, epoch == configuration.epochs - 1 || (epoch + 1) % evaluation.every == 0 else {
            return nil
        }
        return try evaluation.by.evaluate(model.encoder)
    }
}
