internal import Checkpoints
internal import Classification
internal import Communication
internal import Layers
package import Runs
internal import Tensors
internal import TrainingRuns

/// The classifier of a checkpoint, to be tested and not to be trained.
package struct FineTunedClassifier {
    private let average: WeightAverage?
    private let heldOut: HeldOutTest

    /// Collective.
    ///
    /// - Parameters:
    ///   - configuration: the checkpoint's, in all that decides what the model is and sees.
    ///   - images: of this rank in one pass.
    /// - Throws: on all ranks, if the checkpoint cannot be read.
    package init(
        _ point: FineTuneResumePoint, _ configuration: FineTuneConfiguration, _ layout: FineTuneLayout, images: Int,
        on resources: RankResources
    ) throws {
        let model = VisionTransformerClassifier(
            configuration.model, configuration.update.precision, plan: resources.memory)
        let average = layout.average(of: model, configuration, on: resources)
        try resources.communicator.agree(during: .readingCheckpoint) {
            try model.loadWeights(from: point.checkpoint.weights())
            try average?.load(from: point.checkpoint.optimizer())
        }
        self.average = average
        heldOut = layout.heldOutTest(of: model, configuration, images: images, on: resources)
    }

    /// Collective; every rank returns the same.
    package func test() throws -> TestFigures { try heldOut.run(with: average) }
}
