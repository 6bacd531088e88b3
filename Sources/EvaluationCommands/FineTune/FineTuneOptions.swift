internal import ArgumentParser
internal import Augmentation
internal import Communication
internal import Evaluation
internal import FineTuning
internal import ImageData
internal import ImageSources
internal import Models
internal import Options
internal import Settings
internal import Tensors
internal import TrainingRuns

/// What `main_finetune.py` has for ViT-B.
enum FineTuneDefaults: OptimisationDefaults {
    typealias Configuration = FineTuneConfiguration

    static var effectiveBatchSize: Int { 256 }
    static var epochs: Int { 50 }
    static var baseLearningRate: Double { 5e-4 }
    static var minimumLearningRate: Double { 1e-6 }
    static var warmupEpochs: Double { 5 }
}

/// Flags of fine-tuning: those of facebookresearch/mae `main_finetune.py`, and a few more.
struct FineTuneOptions: ParsableArguments {
    @Argument(
        help: "Checkpoint to begin with, or a run directory for its newest one (default: none, from scratch).",
        completion: .directory)
    var checkpoint: String?
    @OptionGroup(title: "Model") var model: ClassifierOptions
    @OptionGroup(title: "Optimisation") var optimisation: OptimisationOptions<FineTuneDefaults>
    @OptionGroup(title: "Fine-tuning") var tuning: TuningOptions
    @OptionGroup(title: "Augmentation") var augmentation: FineTuneAugmentOptions
    @OptionGroup(title: "Messages") var exchange: ExchangeOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Run") var run: RunOptions
    @Flag(help: "Test the run that --resume names, and train nothing.") var eval = false
    @Flag(inversion: .prefixedNo, help: "No effect: ranks always share the test images, and each is seen once.")
    var distEval = false
    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Accepted from main_finetune.py") var compatibility: CompatibilityOptions

    init() {}

    func validate() throws {
        guard checkpoint == nil || model.finetune == nil || checkpoint == model.finetune else {
            throw ValidationError("the argument and --finetune are two checkpoints: give one of them")
        }
    }

    static let alternatives = PretrainOptions.alternatives
    /// Flags that say where a run is kept and what is done with it, not what it is.
    static let besides = PretrainOptions.besides.union(["eval", "dist-eval"])

    /// The checkpoint to begin with, as it is asked for.
    var pretrained: String? { checkpoint ?? model.finetune }

    /// Images that a test sees at once, of each rank.
    static var testBatch: Int { 64 }

    /// Where no images are asked for, those of a checkpoint are meant. Where nothing is trained, any number of ranks will do.
    ///
    /// - Parameter path: where the checkpoint's are.
    mutating func look(for path: String?) {
        if data.dataPath == ImageDataset.defaultPath, let path { data.dataPath = path }
        if eval { (optimisation.batchSize, optimisation.accumIter) = (Self.testBatch, 1) }
    }

    /// Everything that decides what is computed, on images that are there.
    ///
    /// - Parameters:
    ///   - encoder: that of a checkpoint; nil from scratch.
    ///   - known: what the images of a checkpoint to begin with were normalised with.
    ///   - saved: of the checkpoint to go on from.
    func configuration(
        of encoder: VisionTransformerConfiguration?, _ known: ChannelStatistics?, on images: LabelledImages,
        precision: ElementType, ranks: Int, resuming saved: FineTuneConfiguration? = nil
    ) throws -> FineTuneConfiguration {
        let source = images.training
        var configuration = FineTuneConfiguration()
        configuration.model = try model.configuration(
            of: encoder, channels: source.channels,
            classes: source.classCount ?? 0)
        try settle(&configuration, channels: source.channels, precision: precision, ranks: ranks, resuming: saved)
        if configuration.data.mean == nil { configuration.data.mean = known?.mean }
        if configuration.data.standardDeviation == nil {
            configuration.data.standardDeviation = known?.standardDeviation
        }
        do { try configuration.augmentation.bytes().check(channels: source.channels, isFloat: source.isFloat) } catch {
            throw SettingsError("--aa and --color-jitter: \(error): give --aa none")
        }
        configuration.classification.pretrained = saved?.classification.pretrained ?? pretrained
        return configuration
    }

    /// All but the model, which needs images.
    func settle(
        _ configuration: inout FineTuneConfiguration, channels: Int, precision: ElementType, ranks: Int,
        resuming saved: FineTuneConfiguration? = nil
    ) throws {
        optimisation.apply(to: &configuration)
        tuning.apply(to: &configuration.classification)
        data.apply(to: &configuration.data)
        augmentation.apply(to: &configuration)
        run.apply(to: &configuration.update)
        configuration.update.precision = precision
        configuration.data.mean = data.mean?.values(channels: channels) ?? saved?.data.mean
        configuration.data.standardDeviation =
            data.std?.values(channels: channels) ?? saved?.data.standardDeviation
        try optimisation.applyBatch(to: &configuration, exchange, ranks: ranks, resuming: saved)
        try configuration.check()
    }

    /// The settings as a recipe that gives the same run.
    ///
    /// - Parameter isKnown: whether the configuration has the model that will be.
    func recipe(of configuration: FineTuneConfiguration, modelIsKnown isKnown: Bool = true) -> String {
        var options = self
        options.model.finetune = pretrained
        let ofModel = Set(configuration.modelSettings.map(\.flag))
        let resolved = configuration.settings.filter {
            $0.value != "none" && $0.flag.hasPrefix("--") && (isKnown || !ofModel.contains($0.flag))
        }
        return RecipeText.yaml(
            of: options, omitting: Self.besides.union(FlagValue.all(in: compatibility).map(\.flag)),
            alternatives: Self.alternatives,
            resolved: Dictionary(
                uniqueKeysWithValues: resolved.map { ($0.flag.trimmingPrefix("--").description, $0.value) }))
    }
}
