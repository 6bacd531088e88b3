package import Features
internal import Communication
internal import ImageData
package import ImageSources
internal import Layers
package import Models
package import Runs
package import Safetensors
package import Tensors

/// Looks at one checkpoint's features from all sides: whole images, masked ones, and what is reconstructed of these.
package struct CheckpointAnalyzer {
    /// How much is looked at.
    package struct Extent: Sendable {
        /// Test images, in equal distances.
        package var images = 10_000
        /// Of these, images that LiDAR has views of, and views of each.
        package var lidarImages = 1000
        package var lidarViews = 10
        /// Mask ratios besides the one that the model was trained with.
        package var maskRatios: [Double] = [0.25, 0.5, 0.75, 0.9]

        package init() {}
    }

    private let configuration: MaskedAutoencoderConfiguration
    private let element: ElementType
    private let weights: SafetensorsFile
    private let passes: ImagePasses
    private let feature: ImageFeature
    private let extent: Extent
    private let resources: RankResources

    /// - Parameters:
    ///   - weights: of encoder and decoder.
    ///   - passes: of images as the model was trained on.
    package init(
        _ configuration: MaskedAutoencoderConfiguration, _ element: ElementType, weights: SafetensorsFile,
        _ passes: ImagePasses, _ feature: ImageFeature, _ extent: Extent, on resources: RankResources
    ) {
        self.configuration = configuration
        self.element = element
        self.weights = weights
        self.passes = passes
        self.feature = feature
        self.extent = extent
        self.resources = resources
    }

    /// Collective; every rank returns the same.
    ///
    /// - Parameters:
    ///   - whole: features of all of `test`, whole.
    ///   - training: of whole training images with labels, if there are any: for the classifier.
    package func run(
        checkpoint: String, whole: FeatureSet, training: FeatureSet?, on test: any ImageSource
    ) throws -> CheckpointAnalysis {
        let (world, team) = (resources.communicator, resources.team)
        let (count, most) = (whole.count, min(whole.count, extent.images))
        let chosen = Set((0..<most).map { $0 * count / most })
        let whole = whole.subset { chosen.contains($0) }
        let moments = try FeatureMoments(of: whole[feature], in: world)
        let classifier = try training.map { training in
            try LogisticRegression(
                training, feature, classes: max(training.classCount ?? 0, whole.classCount ?? 0), in: world, team
            ).fit(l2: LinearProbe.fixedPenalty)
        }
        func error(of features: FeatureSet) throws -> Double? {
            try classifier.map {
                1 - (try ClassificationAccuracy(of: $0, on: features, feature, in: world, team).top1)
            }
        }
        let (trained, lidar) = try look(at: configuration.maskRatio, test, views: extent.lidarViews, error)
        return CheckpointAnalysis(
            checkpoint: checkpoint, feature: feature.name, width: configuration.embedDim, images: most,
            raw: .init(.raw(moments)), centred: .init(.centred(moments)), lidar: lidar,
            pairs: try PairStatistics(of: whole, feature, in: world, team), wholeImageError: try error(of: whole),
            trained: trained, sweep: try extent.maskRatios.map { try look(at: $0, test, views: 0, error).figures })
    }

    /// - Parameter views: of each image, for LiDAR; 0 for none.
    private func look(
        at ratio: Double, _ test: any ImageSource, views: Int, _ error: (FeatureSet) throws -> Double?
    ) throws -> (figures: CheckpointAnalysis.MaskRatio, lidar: Double) {
        let world = resources.communicator
        var c = configuration
        c.maskRatio = ratio
        let plan = MemoryPlan()
        let model = try world.agree(during: .readingCheckpoint) {
            try c.validate()
            let model = MaskedAutoencoder(c, element, plan: plan)
            model.computePositions()
            try model.parameters.loadWeights(from: weights)
            return model
        }
        let masking = RandomMasking(images: passes.images, configuration: c, plan: plan)
        let encoder = FrozenEncoder(
            model.encoder, masking: masking, images: passes.images, features: [feature], team: resources.team,
            plan: plan)
        encoder.refreshWeights()
        let extraction = FeatureExtraction(encoder, passes)
        let first = try extraction.run(test, most: extent.images, view: 0, in: world)
        let second = try extraction.run(test, most: extent.images, view: 1, in: world)
        let figures = CheckpointAnalysis.MaskRatio(
            ratio: ratio, alignment: try ViewAlignment.mean(first, second, feature, in: world, resources.team),
            overlap: try overlap(c, of: test), labellingError: try error(first),
            reconstruction: try ReconstructionError(model, passes, plan: plan).run(
                test, most: extent.images, in: world))
        guard views > 1 else { return (figures, 0) }
        let seen = try (0..<views).map {
            try extraction.run(test, most: extent.lidarImages, view: $0, in: world)[feature]
        }
        return (figures, try LiDAR.value(of: seen, in: world))
    }

    /// Of the images of all ranks. Collective.
    private func overlap(_ c: MaskedAutoencoderConfiguration, of test: any ImageSource) throws -> Double {
        let own = ImagePasses.own(of: test, most: extent.images, in: resources.communicator)
        var sums = [Double(own.count) * RandomMasking.overlap(of: c, images: own), Double(own.count)]
        try resources.communicator.allReduce(&sums, .sum)
        return sums[0] / max(sums[1], 1)
    }
}
