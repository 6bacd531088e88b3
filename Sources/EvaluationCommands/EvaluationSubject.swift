internal import Augmentation
internal import Checkpoints
internal import Communication
internal import Evaluation
internal import Features
internal import Host
internal import ImageArrays
internal import ImageCodecs
internal import ImageData
internal import ImageSources
internal import Models
internal import Options
internal import Runs
internal import Settings
internal import Tensors

/// A pretrained model, and what it is evaluated on.
final class EvaluationSubject {
    let pretrained: PretrainedModel
    let element: ElementType
    let statistics: ChannelStatistics
    let resources: RankResources
    private let options: EvaluationOptions

    init(
        pretrained: PretrainedModel, element: ElementType, statistics: ChannelStatistics, options: EvaluationOptions,
        resources: RankResources
    ) {
        self.pretrained = pretrained
        self.element = element
        self.statistics = statistics
        self.options = options
        self.resources = resources
    }

    private var world: any Communicator { resources.communicator }

    private var size: ImageSize {
        ImageSize(height: pretrained.model.imageHeight, width: pretrained.model.imageWidth)
    }

    /// Collective.
    func images(_ split: ImageDataset.Split) throws -> any ImageSource {
        try options.images(split, of: pretrained, in: world)
    }

    /// Training and test images of the same classes. Collective.
    func labelledImages() throws -> LabelledImages {
        let found = LabelledImages(training: try images(.train), test: try images(.test))
        try world.agree { try found.check() }
        return found
    }

    /// What becomes of images: the middle of each, as in main_linprobe.py; those of the model's own size are taken whole.
    func transform(for images: [any ImageSource]) -> ImageTransform {
        let augmentation =
            options.resize.map { ImageAugmentation.center(shorterSide: $0) }
            ?? .evaluation(size, of: images.map(\.uniformSize))
        return ImageTransform(size: size, statistics: statistics, augmentation: augmentation)
    }

    /// Features of whole images, kept or taken now. Collective.
    func features(_ wanted: [ImageFeature], of images: any ImageSource, by transform: ImageTransform) throws
        -> FeatureSet
    {
        let cache = try featureCache(of: images, by: transform)
        var found: [FeatureSet] = []
        var missing: [ImageFeature] = []
        for feature in wanted {
            if let kept = try cache?.load(feature, width: pretrained.model.embedDim, in: world) {
                found.append(kept)
            } else {
                missing.append(feature)
            }
        }
        if !missing.isEmpty {
            let encoder = try encoder(for: missing)
            let taken = try FeatureExtraction(encoder, passes(transform, images: encoder.images, "features"))
                .run(images, in: world)
            if let problem = try cache?.save(taken, in: world) { Console.note("features are not kept: \(problem)") }
            found.append(taken)
        }
        return FeatureSet(joining: found)
    }

    /// - Parameters:
    ///   - images: of one pass.
    ///   - what: is made of them, for whoever waits for it.
    func passes(_ transform: ImageTransform, images: Int, _ what: String) -> ImagePasses {
        let progress = PassProgress(what, isSilent: world.rank > 0)
        return ImagePasses(
            transform, images: images, team: resources.team, plan: resources.memory,
            progress: { progress.tell($0, of: $1) })
    }

    /// - Parameter images: of one pass; nil for as many as the flags say. Collective.
    func encoder(images: Int? = nil, for features: [ImageFeature]) throws -> FrozenEncoder {
        let frozen = FrozenEncoder(
            try world.agree(during: .readingCheckpoint) { try pretrained.encoder(element, plan: resources.memory) },
            images: images ?? options.batchSize, features: features, team: resources.team, plan: resources.memory)
        frozen.refreshWeights()
        return frozen
    }

    /// Batches of images as augmentation makes them, in micro-batches of as many images as fit. Collective.
    ///
    /// - Parameters:
    ///   - batch: images of an update, on all ranks.
    ///   - epoch: the first.
    func augmented(
        _ images: any ImageSource, by augmentation: ImageAugmentation, batch: Int, seed: UInt64, from epoch: Int,
        workers: Int
    ) throws -> BatchLoader {
        try world.agree {
            // The largest part of a rank's images that is no more than a pass.
            let own = batch / world.size
            let most = (1...max(own, 1)).last { own.isMultiple(of: $0) && $0 <= options.batchSize } ?? 1
            return try BatchLoader(
                source: images,
                transform: ImageTransform(size: size, statistics: statistics, augmentation: augmentation),
                division: EpochDivision(
                    imageCount: images.count,
                    BatchPlan(globalBatch: batch, ranks: world.size, accumulation: max(own / most, 1)),
                    rank: world.rank),
                seed: seed, epoch: epoch, workers: workers, plan: resources.memory)
        }
    }

    /// Collective, for ranks must not differ in whether there is one.
    private func featureCache(of images: any ImageSource, by transform: ImageTransform) throws -> FeatureCache? {
        let directory =
            options.featureCache
            ?? Directories.child(Directories.parent(of: Directories.trimmed(pretrained.checkpoint.path)), "features")
        guard !directory.isEmpty else { return nil }
        let weights = try world.agree { try pretrained.checkpoint.record(of: .weights) }
        guard let weights else { return nil }
        let origin = [
            "weights of \(weights.size) bytes, CRC-32 \(String(weights.crc32, radix: 16))", "\(images.identity)",
            "\(transform.augmentation), \(transform.size.height)x\(transform.size.width)",
            "mean \(statistics.mean), deviation \(statistics.standardDeviation)", "\(pretrained.decoding)",
            "\(element)",
        ]
        return FeatureCache(directory: directory, origin: origin.joined(separator: "; "))
    }

    /// A line for each thing, which begins with a word for it.
    var opening: [String] {
        let model = pretrained.model
        return [
            "model    \(pretrained.checkpoint.path): \(model.depth) blocks of width \(model.embedDim), patches of "
                + "\(model.patchSize)"
        ]
    }
}

/// Images to fit a classifier to, and others to test it with.
struct LabelledImages {
    let training: any ImageSource
    let test: any ImageSource

    var all: [any ImageSource] { [training, test] }

    func check() throws {
        guard let classes = training.classCount, let others = test.classCount else {
            throw SettingsError(
                "\(training.name): images without labels cannot be classified: give others with --data-path")
        }
        guard training.identity != test.identity else {
            throw SettingsError(
                "\(training.name) has one set of images: there must be test images beside those for training, in a directory "
                    + "val or test")
        }
        guard classes == others else {
            throw SettingsError("the training images are of \(classes) classes, the test images of \(others)")
        }
    }

    var line: String {
        "data     \(training.name), \(counted(training.count, "training image")) and \(test.count) of the test, "
            + "\(training.classCount ?? 0) classes"
    }
}
