import Augmentation
import Communication
import Evaluation
import ImageCodecs
import ImageData
import ImageSources
import Models
import Options
import Pretraining
import Runs
import Settings

/// What a run looks at besides its losses: test images, which it is not trained on.
extension PretrainCommand {
    /// The test images; nil where there are none with the labels of the training images, and they were not asked for, or where
    /// nobody wants to look at them. Collective.
    func testImages(beside data: any ImageSource, in world: any Communicator) throws -> (any ImageSource)? {
        let every = options.run.evalEvery
        guard every != 0, every != nil || options.data.dataPath != ImageDataset.syntheticName else { return nil }
        var other = options.data
        // That number is of training images.
        other.images = nil
        do {
            let model = try world.agree { try options.model.configuration() }
            let test = try other.open(
                .test, of: model.encoder, seed: options.run.seed, keepsListing: !options.run.dryRun, in: world,
                say: { Console.print($0) })
            return try world.agree {
                // Where there is one split alone, in whatever form, it is found under the name of each.
                let isOther = test.identity != data.identity
                guard isOther, data.classCount != nil, test.classCount == data.classCount,
                    test.channels == data.channels
                else {
                    guard every != nil else { return nil }
                    throw SettingsError(
                        "--eval-every needs test images, others than the training images, with their classes and channels: leave it out, "
                            + "or give other data")
                }
                return test
            }
        } catch let failure as AgreedFailure {
            guard every == nil else { throw failure }
            return nil
        }
    }

    /// - Parameter statistics: any, where memory is only counted.
    func evaluation(
        of test: any ImageSource, beside layout: StepLayout, _ configuration: PretrainConfiguration,
        on resources: RankResources
    ) -> HeldOutEvaluation {
        let size = ImageSize(height: configuration.model.imageHeight, width: configuration.model.imageWidth)
        return HeldOutEvaluation(
            training: layout.source, test: test,
            skipping: (layout.badImages, BadImages(options.data.onBadImage, of: test.count)),
            transform: ImageTransform(
                size: size, statistics: layout.statistics,
                augmentation: .evaluation(size, of: [layout.source.uniformSize, test.uniformSize])),
            trainingImages: options.run.evalImages, on: resources)
    }
}
