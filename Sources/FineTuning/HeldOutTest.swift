package import Classification
internal import Communication
internal import Evaluation
internal import ImageData
internal import ImageSources
internal import TrainingRuns

/// Tests a classifier in training on images that it is not trained on.
struct HeldOutTest {
    let evaluation: ClassifierEvaluation
    let source: any ImageSource
    let badImages: BadImages
    let communicator: any Communicator

    /// Collective; every rank returns the same.
    ///
    /// - Parameter average: of the model's weights, if there is one.
    func run(with average: WeightAverage?) throws -> TestFigures {
        TestFigures(own: try run(), average: try average?.whileInPlace { try run() })
    }

    private func run() throws -> ClassifierEvaluation.Result {
        try evaluation.run(source, skipping: badImages, in: communicator)
    }
}

/// How a model did on the test images, and the average of its weights if there is one.
package struct TestFigures: Equatable, Sendable {
    package let own: ClassifierEvaluation.Result
    package let average: ClassifierEvaluation.Result?
}
