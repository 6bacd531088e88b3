internal import ArgumentParser
internal import Augmentation
internal import Checkpoints
internal import Communication
internal import Evaluation
internal import Features
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

/// Flags that say on which images encoders are evaluated, and how.
struct EvaluationOptions: ParsableArguments {
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
            Directory in which features are kept for other evaluations of the checkpoint; empty for none (default: \
            features, beside the checkpoint).
            """, completion: .directory)
    var featureCache: String?
    @Option(help: "Images of each rank in one pass.") var batchSize = 64
    @Option(help: "Operands of the matrix products: fp32, bf16 or auto.") var precision = ComputeOptions.Precision.auto
    @Option(help: "Threads of each rank (default: the cores this rank may use over the ranks that share them).")
    var threads: Int?

    func validate() throws {
        try Bounds.check("--resize", resize, 1...1 << 16)
        try Bounds.check("--batch-size", batchSize, 1...1 << 16)
        try Bounds.check("--threads", threads, 1...1024)
    }

    /// A model, and what it is given. Collective.
    func open(_ checkpoint: String, on resources: RankResources) throws -> EvaluationSubject {
        let world = resources.communicator
        let element = try ComputeOptions.element(precision, in: world)
        return try world.agree(during: .readingCheckpoint) {
            let pretrained = try PretrainedModel(
                try CheckpointStore.open(checkpoint, reportingDamaged: { if world.rank == 0 { Console.note($0) } }))
            return EvaluationSubject(
                pretrained: pretrained, element: element, statistics: try statistics(of: pretrained), options: self,
                resources: resources)
        }
    }

    /// The threads and the memory of this rank. Collective.
    func resources(in world: any Communicator) throws -> RankResources {
        RankResources(world, try ComputeOptions.team(threads: threads, in: world))
    }

    /// The images that a model is evaluated on. Collective.
    func images(
        _ split: ImageDataset.Split, of pretrained: PretrainedModel, in world: any Communicator
    ) throws -> any ImageSource {
        let model = pretrained.model
        var opening = DataOpening(path: dataPath ?? pretrained.dataPath)
        (opening.kind, opening.classes, opening.cacheDirectory) = (dataKind, classes, cacheDir)
        opening.synthetic = SyntheticImageParameters(
            count: 4096, channels: model.channels, size: ImageSize(height: model.imageHeight, width: model.imageWidth))
        opening.say = { Console.error($0) }
        let source = try opening.open(split, in: world)
        try world.agree {
            guard source.channels != model.channels else { return }
            throw SettingsError(
                "the model sees \(counted(model.channels, "channel")), and the images of \(source.name) have "
                    + "\(source.channels)")
        }
        return (source as? EncodedImages)?.decoded(pretrained.decoding) ?? source
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
