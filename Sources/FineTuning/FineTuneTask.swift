internal import Checkpoints
package import Classification
internal import Evaluation
internal import Features
internal import Foundation
internal import Layers
internal import Models
package import Runs
package import Safetensors
internal import Tensors
package import Training
package import TrainingRuns

/// What a run that fine-tunes has of its own.
package final class FineTuneTask: TrainingTask {
    package typealias TrainedObjective = ClassificationObjective

    package let configuration: FineTuneConfiguration
    package let model: VisionTransformerClassifier
    package let average: WeightAverage?
    private let pretrained: PretrainedModel?
    private let test: HeldOutTest

    init(_ configuration: FineTuneConfiguration, _ parts: FineTuneLayout.Parts, pretrained: PretrainedModel?) {
        self.configuration = configuration
        self.pretrained = pretrained
        model = parts.training.step.pass.objective.model
        average = parts.average
        test = parts.test
    }

    package func initialize() throws {
        model.initialize(seed: configuration.update.seed)
        guard let pretrained else { return }
        let encoder = pretrained.model.encoder
        try model.loadEncoder(
            from: pretrained.checkpoint.weights(),
            grid: PatchGrid(height: encoder.gridHeight, width: encoder.gridWidth))
    }

    package func load(_ weights: SafetensorsFile) throws { try model.loadWeights(from: weights) }

    package func figures(of outcome: StepOutcome<ClassificationFigures>) -> [ProgressLine.Field] {
        [
            .init(String(format: "loss %.4f", outcome.figures.crossEntropy), rank: 2),
            .init(String(format: "acc %4.1f%%", 100 * outcome.figures.correct / Double(outcome.images)), rank: 5),
        ]
    }

    package func line(for state: FineTuneState) throws -> FineTuneLine {
        FineTuneLine(state, parameters: model.parameters.values.count, try test.run(with: average))
    }
}
