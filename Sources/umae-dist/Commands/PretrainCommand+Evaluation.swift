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
import Tensors

/// What a run looks at besides its losses: test images, which it is not trained on.
extension PretrainCommand {
    /// The test images; nil where there are none with the labels of the training images, and they were not asked for, or where
    /// nobody wants to look at them. Collective.
    func testImages(
        beside data: any ImageSource, of model: VisionTransformerConfiguration, in world: any Communicator
    ) throws -> (any ImageSource)? {
        let every = options.heldOut.evalEvery
        guard every != 0, every != nil || options.data.dataPath != ImageDataset.syntheticName else { return nil }
        var other = options.data
        // That number is of training images.
        other.images = nil
        do {
            let test = try other.open(
                .test, of: model, seed: options.run.seed, keepsListing: !options.run.dryRun, in: world,
                say: { Console.print($0) })
            return try world.agree {
                guard data.classCount != nil, test.classCount == data.classCount, test.channels == data.channels,
                    // Where nothing tells the images apart, they are all for training.
                    test.identity != data.identity
                else {
                    guard every != nil else { return nil }
                    throw SettingsError(
                        "--eval-every needs test images beside the training images, with the same classes and channels: leave it out, "
                            + "or give other data")
                }
                return test
            }
        } catch let failure as AgreedFailure {
            guard every == nil else { throw failure }
            return nil
        }
    }

    /// The memory that a run needs, test images included. Collective.
    func plan(
        _ configuration: PretrainConfiguration, _ layout: StepLayout, saves: Bool, testing test: (any ImageSource)?,
        on resources: RankResources
    ) throws -> MemoryPlan {
        try PretrainRun.plan(
            configuration, layout, saves: saves,
            besides: { model, plan in
                guard let test else { return }
                plan.add(.data, "test images", bytes: test.heldBytes)
                evaluation(of: test, beside: layout, configuration, on: resources).prepare(model.encoder, plan: plan)
            }, on: resources)
    }

    /// What looks at features of those images.
    func evaluation(
        of test: any ImageSource, beside layout: StepLayout, _ configuration: PretrainConfiguration,
        on resources: RankResources
    ) -> HeldOutEvaluation {
        let size = ImageSize(height: configuration.model.imageHeight, width: configuration.model.imageWidth)
        return HeldOutEvaluation(
            training: layout.source, test: test,
            transform: ImageTransform(
                size: size, statistics: layout.statistics,
                augmentation: .evaluation(size, of: [layout.source.uniformSize, test.uniformSize])),
            badImages: options.data.onBadImage, trainingImages: options.heldOut.evalImages, on: resources)
    }
}
