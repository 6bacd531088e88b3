internal import Features
internal import Communication
package import ImageData
package import ImageSources
package import Models
package import Runs
package import Tensors

/// Classifies test images by what a model in training makes of them: by their nearest training images, and linearly.
package final class HeldOutEvaluation: FeatureEvaluation {
    private let training: any ImageSource
    private let test: any ImageSource
    private let transform: ImageTransform
    private let most: Int
    private let badImages: (training: BadImages, test: BadImages)
    private let resources: RankResources
    /// Laid out for the first encoder that is looked at; there is one in a run.
    private var layout: (encoder: FrozenEncoder, extraction: FeatureExtraction)?

    /// Images of one pass, and neighbours that vote.
    package static var images: Int { 64 }
    package static var neighbors: Int { 20 }

    /// - Parameters:
    ///   - training, test: images with labels, of the same classes.
    ///   - transform: what becomes of an image; it must not be one that draws numbers.
    ///   - badImages: what becomes of images that cannot be decoded.
    ///   - most: training images that features are compared with, in equal distances.
    package init(
        training: any ImageSource, test: any ImageSource, transform: ImageTransform, badImages: BadImages.Action,
        trainingImages most: Int, on resources: RankResources
    ) {
        self.training = training
        self.test = test
        self.transform = transform
        self.most = min(most, training.count)
        self.badImages = (BadImages(badImages, of: training.count), BadImages(badImages, of: test.count))
        self.resources = resources
    }

    /// Makes all that is needed, or counts it.
    package func prepare(_ encoder: VisionTransformer, plan: MemoryPlan) {
        let width = encoder.configuration.embedDim
        let rows = (most + test.count + resources.communicator.size - 1) / resources.communicator.size
        // Features, and a copy of them that is scaled or normalised.
        plan.add(.data, "features", bytes: 2 * rows * width * MemoryLayout<Float>.stride)
        let frozen = FrozenEncoder(
            encoder, images: Self.images, features: [ImageFeature(encoder.configuration.feature)], team: resources.team,
            plan: plan)
        let extraction = FeatureExtraction(frozen, transform, plan: plan)
        if plan.isBacked { layout = (frozen, extraction) }
    }

    package func evaluate(_ encoder: VisionTransformer) throws -> HeldOutFigures {
        if layout == nil { prepare(encoder, plan: resources.memory) }
        guard let layout else { preconditionFailure("memory is only counted") }
        let (world, team, feature) = (
            resources.communicator, resources.team, ImageFeature(encoder.configuration.feature)
        )
        layout.encoder.refreshWeights()
        let training = try layout.extraction.run(training, most: most, skipping: badImages.training, in: world)
        let test = try layout.extraction.run(test, skipping: badImages.test, in: world)
        let neighbors = try NeighborClassifier(
            neighbors: [min(Self.neighbors, training.count)], vote: .weighted(temperature: 0.07)
        ).run(feature, training: training, test: test, in: world, team)
        let linear = try LinearProbe(penalties: [LinearProbe.fixedPenalty]).run(
            feature, training: training, test: test, in: world, team)
        let spectrum = Spectrum.raw(try FeatureMoments(of: test[feature], in: world))
        return HeldOutFigures(
            neighbors: neighbors.accuracies[0], linear: linear.test.top1, rankMe: spectrum.rankMe)
    }
}
