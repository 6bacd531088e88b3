internal import ArgumentParser
internal import Augmentation
internal import Checkpoints
internal import Communication
internal import Evaluation
internal import Host
internal import ImageArrays
internal import ImageCodecs
internal import ImageData
internal import ImageFiles
internal import ImageSources
internal import Models
internal import Options
internal import Runs
internal import Settings
internal import Tensors

/// Flags that say which encoder is evaluated, and on which images.
struct EvaluationOptions: ParsableArguments {
    @Argument(help: "Checkpoint, or a run directory for its newest one.", completion: .directory) var checkpoint: String
    @Option(help: "The images, training and test (default: those of the checkpoint's run).", completion: .file())
    var dataPath: String?
    @Option(help: "What the path holds: auto looks; arrays, folder, shards.") var dataKind = ImageDataset.Kind.auto
    @Option(help: "File of the classes to take of a folder, a name of a directory on each line.", completion: .file())
    var classes: String?
    @Option(
        help: "Directory in which lists of many files are kept; empty for none (default: as in pretraining).",
        completion: .directory)
    var cacheDir: String?
    @Option(
        help: """
            Pixels that the shorter side is resized to before the middle is cut out (default: 256/224 of the model's size; \
            images that have the model's size stay as they are).
            """)
    var resize: Int?
    @Option(help: "Mean of the pixels, scaled to 0 … 1, of each channel or of all (default: the checkpoint's).")
    var mean: ChannelValues?
    @Option(help: "Standard deviation of the pixels, likewise.") var std: ChannelValues?
    @Option(
        help: """
            Feature that is evaluated: cls (class token, final norm applied twice as in the public U-MAE code), cls-once, \
            pooled (mean of the patch tokens). Default: the one that was trained with.
            """)
    var feature: VisionTransformerConfiguration.Feature?
    @Option(help: "Images of each rank in one pass.") var batchSize = 64
    @Option(help: "Operands of the matrix products: fp32, bf16 or auto.") var precision = ComputeOptions.Precision.auto
    @Option(help: "Threads of each rank (default: the cores this rank may use over the ranks that share them).")
    var threads: Int?

    func validate() throws {
        try Bounds.check("--resize", resize, 1...1 << 16)
        try Bounds.check("--batch-size", batchSize, 1...1 << 16)
        try Bounds.check("--threads", threads, 1...1024)
    }

    /// The model, and what it is given. Collective.
    func open(in world: any Communicator, note: (String) -> Void) throws -> EvaluationSubject {
        let pretrained = try world.agree(during: .readingCheckpoint) {
            try PretrainedModel(try CheckpointStore.open(checkpoint, reportingDamaged: note))
        }
        let element = try ComputeOptions.element(precision, in: world)
        let training = try images(.train, of: pretrained, in: world)
        let test = try images(.test, of: pretrained, in: world)
        let resources = RankResources(world, try ComputeOptions.team(threads: threads, in: world))
        return try world.agree(during: .readingCheckpoint) {
            try check(training, test, pretrained)
            let statistics = try statistics(of: pretrained)
            let encoder = try FrozenEncoder(
                pretrained.model.encoder, element, weights: pretrained.checkpoint.weights(), images: batchSize,
                team: resources.team, plan: resources.memory)
            return EvaluationSubject(
                pretrained: pretrained, encoder: encoder, training: training, test: test, statistics: statistics,
                feature: feature ?? pretrained.model.feature, resize: resize, resources: resources)
        }
    }

    private func images(
        _ split: ImageDataset.Split, of pretrained: PretrainedModel, in world: any Communicator
    ) throws -> any ImageSource {
        let model = pretrained.model
        var opening = DataOpening(path: dataPath ?? pretrained.dataPath)
        (opening.kind, opening.classes, opening.cacheDirectory) = (dataKind, classes, cacheDir)
        opening.synthetic = SyntheticImageParameters(
            count: 4096, channels: model.channels, size: ImageSize(height: model.imageHeight, width: model.imageWidth))
        opening.say = { Console.error($0) }
        let source = try opening.open(split, in: world)
        return (source as? EncodedImages)?.decoded(pretrained.decoding) ?? source
    }

    private func check(
        _ training: any ImageSource, _ test: any ImageSource, _ pretrained: PretrainedModel
    ) throws {
        for source in [training, test] where source.channels != pretrained.model.channels {
            throw SettingsError(
                "the model sees \(counted(pretrained.model.channels, "channel")), and the images of \(source.name) have "
                    + "\(source.channels)")
        }
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

    private func statistics(of pretrained: PretrainedModel) throws -> ChannelStatistics {
        let channels = pretrained.model.channels
        guard let mean = mean?.values(channels: channels) ?? pretrained.statistics?.mean,
            let deviation = std?.values(channels: channels) ?? pretrained.statistics?.standardDeviation
        else {
            throw SettingsError(
                "the checkpoint does not say what its images were normalised with: give --mean and --std")
        }
        for (flag, values) in [("--mean", mean), ("--std", deviation)] where values.count != channels {
            throw SettingsError(
                "\(flag) has \(values.count) values, and the model sees \(counted(channels, "channel"))")
        }
        return ChannelStatistics(mean: mean, standardDeviation: deviation)
    }
}

/// An encoder, and the images that it is evaluated on.
struct EvaluationSubject {
    let pretrained: PretrainedModel
    let encoder: FrozenEncoder
    let training: any ImageSource
    let test: any ImageSource
    let statistics: ChannelStatistics
    let feature: VisionTransformerConfiguration.Feature
    let resize: Int?
    let resources: RankResources

    /// The features of all training and test images. Collective.
    func features() throws -> (training: FeatureSet, test: FeatureSet) {
        let extraction = FeatureExtraction(
            encoder,
            ImageTransform(size: size, statistics: statistics, augmentation: augmentation), keeping: [feature],
            plan: resources.memory)
        let world = resources.communicator
        return (try extraction.run(training, in: world), try extraction.run(test, in: world))
    }

    private var size: ImageSize {
        ImageSize(height: encoder.configuration.imageHeight, width: encoder.configuration.imageWidth)
    }

    /// The middle of an image, as in main_linprobe.py; images of the model's own size are taken whole.
    private var augmentation: ImageAugmentation {
        guard let resize else { return .evaluation(size, of: [training.uniformSize, test.uniformSize]) }
        return .center(shorterSide: resize)
    }

    /// A line for each thing, which begins with a word for it.
    var opening: [String] {
        let model = pretrained.model
        return [
            "model    \(pretrained.checkpoint.path): \(model.depth) blocks of width \(model.embedDim), patches of "
                + "\(model.patchSize)",
            "data     \(training.name), \(counted(training.count, "training image")) and \(test.count) of the test, "
                + "\(training.classCount ?? 0) classes",
            "feature  \(feature.rawValue)",
        ]
    }
}
