import ArgumentParser
import Communication
import Regularizers
import ImageData
import Models
import Optimization
import Settings
package import Tensors
package import Pretraining
import Runs

/// Flags of the training run: those of facebookresearch/mae and U-MAE `main_pretrain.py`, and a few more.
package struct PretrainOptions: ParsableArguments {
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Losses") var loss: LossOptions
    @OptionGroup(title: "Optimisation") var optimisation: OptimisationOptions
    @OptionGroup(title: "Messages") var exchange: ExchangeOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Run") var run: RunOptions
    @OptionGroup(title: "Computation") var compute: ComputeOptions
    @OptionGroup(title: "Accepted from main_pretrain.py") var compatibility: CompatibilityOptions

    package init() {}

    /// Everything that decides what is computed, for a world of `ranks` and data of `channels`.
    ///
    /// - Parameter saved: of the checkpoint to go on from. Where `--batch-size` is given for each rank and the number of
    ///   ranks has changed, micro-batches are divided anew so that the effective batch stays.
    package func configuration(
        ranks: Int, channels: Int, precision: ElementType, resuming saved: PretrainConfiguration? = nil
    ) throws -> PretrainConfiguration {
        var model = try self.model.configuration()
        if let wanted = self.model.inChans, wanted != channels && data.dataPath != ImageDataset.syntheticName {
            throw SettingsError(
                "--in-chans is \(wanted), the images of \(data.dataPath) have \(channels): leave the flag out")
        }
        model.channels = self.model.inChans ?? channels
        var accumulation = try exchange.accumulation(optimisation.accumIter, ranks: ranks)
        var effective = try optimisation.effectiveBatch(ranks: ranks, accumulation: accumulation)
        if let saved, !exchange.deterministic, let batchSize = optimisation.batchSize,
            saved.effectiveBatchSize != effective
        {
            effective = saved.effectiveBatchSize
            accumulation = try Self.microBatches(of: effective, ranks: ranks, imagesAtMost: batchSize)
        }
        var configuration = PretrainConfiguration()
        configuration.model = model
        configuration.loss = loss.configuration()
        exchange.adjust(&configuration.loss)
        configuration.gradientExchange = exchange.configuration()
        optimisation.apply(to: &configuration)
        data.apply(to: &configuration.data)
        configuration.mean = data.mean?.values(channels: channels) ?? saved?.mean
        configuration.standardDeviation = data.std?.values(channels: channels) ?? saved?.standardDeviation
        run.apply(to: &configuration.step)
        configuration.precision = precision
        configuration.accumulation = accumulation
        configuration.effectiveBatchSize = effective
        configuration.learningRate =
            optimisation.lr ?? LearningRateSchedule.scaled(base: optimisation.blr, effectiveBatch: effective)
        try configuration.check()
        return configuration
    }

    /// The fewest micro-batches of equal size, at most `most` images on each rank, that make up `effective` images.
    static func microBatches(of effective: Int, ranks: Int, imagesAtMost most: Int) throws -> Int {
        guard effective % ranks == 0 else {
            let possible = (1...max(effective, 1)).filter { effective % $0 == 0 }.suffix(64)
            let near = possible.filter { $0 < ranks }.last.map { "\($0)" } ?? "1"
            throw SettingsError(
                "the checkpoint's effective batch of \(effective) images cannot be divided among \(ranks) ranks: "
                    + "use \(near) ranks\(possible.first { $0 > ranks }.map { " or \($0)" } ?? "")")
        }
        let own = effective / ranks
        return (1...own).first { own % $0 == 0 && own / $0 <= most } ?? own
    }
}

struct OptimisationOptions: ParsableArguments {
    @Option(help: "Images per rank and micro-batch (default: from --effective-batch-size).")
    var batchSize: Int?

    @Option(help: "Images per update over all ranks and micro-batches, instead of --batch-size.")
    var effectiveBatchSize = 256

    @Option(help: "Epochs.") var epochs = 5
    @Option(help: "Micro-batches per update; gradients are exchanged after the last.") var accumIter = 1
    @Option(help: "Base learning rate: the rate is blr × effective batch / 256.") var blr = 4e-3
    @Option(help: "Learning rate, instead of --blr.") var lr: Double?
    @Option(help: "Lowest learning rate of the cosine.") var minLr = 0.0
    @Option(help: "Epochs of linear warm-up.") var warmupEpochs = 0.5
    @Option(help: "AdamW weight decay; none on tensors of one dimension.") var weightDecay = 0.05
    @Option(help: "Clip the gradient to this norm (default: none).") var clipGrad: Double?
    @Option(help: "First epoch, counted from 0; --resume knows it by itself.") var startEpoch = 0

    func validate() throws {
        try Bounds.check("--batch-size", batchSize, 1...1 << 20)
        try Bounds.check("--blr", blr, .atLeast(0))
        try checkLimits()
    }

    /// Images of one update.
    ///
    /// - Parameter accumulation: micro-batches of each rank, --accum-iter or what replaces it.
    func effectiveBatch(ranks: Int, accumulation: Int) throws -> Int {
        if let batchSize { return batchSize * accumulation * ranks }
        guard effectiveBatchSize % (ranks * accumulation) == 0 else {
            throw SettingsError(
                "--effective-batch-size \(effectiveBatchSize) is not divisible by \(ranks) ranks × \(accumulation) "
                    + "micro-batches: choose a multiple of \(ranks * accumulation), or give --batch-size per rank")
        }
        return effectiveBatchSize
    }
}

extension OptimisationOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, PretrainConfiguration>] {
        [
            // With --batch-size it follows from that.
            FlagBinding(
                "--effective-batch-size", \.effectiveBatchSize, .within(Bounds.count),
                text: { "\($0.effectiveBatchSize)" }),
            FlagBinding("--epochs", \.epochs, \.epochs, .within(1...1_000_000)),
            // Divides the same batch otherwise, unless only images of one micro-batch are compared. Other flags may
            // decide it.
            FlagBinding(
                "--accum-iter", \.accumIter, .within(1...1 << 20),
                decidesNumbers: { $0.loss.weight != 0 && $0.loss.negatives == .micro }, text: { "\($0.accumulation)" }),
            // Without it, it follows from --blr and the batch.
            FlagBinding("--lr", \.lr, .atLeast(0), text: { "\($0.learningRate)" }),
            FlagBinding("--min-lr", \.minLr, \.minimumLearningRate, .atLeast(0)),
            FlagBinding("--warmup-epochs", \.warmupEpochs, \.warmupEpochs, .atLeast(0)),
            FlagBinding("--weight-decay", \.weightDecay, \.optimizer.weightDecay, .atLeast(0)),
            FlagBinding("beta1 of AdamW", text: { "\($0.optimizer.beta1)" }),
            FlagBinding("beta2 of AdamW", text: { "\($0.optimizer.beta2)" }),
            FlagBinding("epsilon of AdamW", text: { "\($0.optimizer.epsilon)" }),
            // An infinite maximum, with which torch's clip_grad_norm_ only measures, clips nothing.
            FlagBinding(
                "--clip-grad", \.clipGrad, .above(0, most: .infinity),
                apply: { $1.clipGradient = $0.clipGrad == .infinity ? nil : $0.clipGrad },
                text: { $0.clipGradient.map { "\($0)" } ?? "none" }),
            // A resumed run knows its epoch by itself.
            FlagBinding(
                "--start-epoch", \.startEpoch, \.startEpoch, .within(0...1_000_000), decidesNumbers: { _ in false }),
        ]
    }
}

struct DataOptions: ParsableArguments {
    @Option(
        help: """
            Directory of IDX files (MNIST, Fashion-MNIST; gzip or plain) or of CIFAR-10/100 binary files, or \
            'synthetic'.
            """, completion: .directory)
    var dataPath = ImageDataset.defaultPath

    @Option(help: "Images of the synthetic set.") var syntheticImages = 4096
    @Option(help: "Images that the training set has: a run on data with another number of them is refused.")
    var images: Int?
    @Option(help: "Batches prepared ahead by a thread of their own; 0 prepares each when it is needed.")
    var numWorkers = 2
    @Option(
        help: """
            Mean of the pixels, scaled to 0 … 1, of each channel (0.485,0.456,0.406) or of all; images are normalised with \
            it (default: the checkpoint's, or that of the training set).
            """)
    var mean: ChannelValues?
    @Option(help: "Standard deviation of the pixels, likewise.") var std: ChannelValues?

    /// As many as labels and orders of images can count.
    private static let imageCount = 1...Int(UInt32.max)

    func validate() throws {
        try checkLimits()
        try Bounds.check("--images", images, Self.imageCount)
        try Bounds.check("--num-workers", numWorkers, 0...64)
    }
}

extension DataOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, DataConfiguration>] {
        // Images are compared by their identity, wherever they lie.
        [
            FlagBinding("--data-path", \.dataPath, \.dataPath, decidesNumbers: { _ in false }),
            FlagBinding(
                "--synthetic-images", \.syntheticImages, \.syntheticImages, .within(imageCount),
                decidesNumbers: { _ in false }),
            // One value may stand for all channels, and a run that goes on keeps its checkpoint's.
            FlagBinding("--mean", \.mean, .each(.atLeast(0), most: 1), text: { ChannelValues.text($0.mean) }),
            FlagBinding(
                "--std", \.std, .each(.atLeast(1e-6), most: 1), text: { ChannelValues.text($0.standardDeviation) }),
        ]
    }
}

struct RunOptions: ParsableArguments {
    @Option(
        help: """
            YAML file of flags, such as 'batch_size: 64', the name of one in recipes/, or - for standard input; the \
            environment (UMAE_BATCH_SIZE=64) and flags override it.
            """, completion: .file())
    var recipe: String?

    @Option(help: "Directory of this run; '' keeps nothing (default: a new one below runs/).", completion: .directory)
    var outputDir: String?

    @Option(
        help: """
            Checkpoint or run directory to go on from; 'auto' takes the newest of --output-dir, if any. Settings that are \
            not given are those of that run's config.yaml.
            """, completion: .directory)
    var resume = ""

    @Option(help: "How often to save: a number of epochs, or 500steps, 30min, 2h; the last epoch is always saved.")
    var checkpointEvery = CheckpointInterval.epochs(20)
    @Option(help: "Newest checkpoints that are kept.") var keepCheckpoints = 3
    @Option(help: "Epochs between checkpoints that are kept for good besides; 0 for none.") var keepEvery = 0
    @Option(help: "Seed of weights, order, crops, flips and masks.") var seed: UInt64 = 0
    @Option(
        help: """
            An update whose loss or gradient norm is far above those before: none (made all the same), skip (left out; the \
            run stops after 10 in a row) or stop.
            """)
    var spikeGuard = SpikeGuard.Action.none
    @Option(help: "Standard deviations above the running mean that are a spike.") var spikeThreshold = 6.0
    @Option(help: "Updates between comparisons of all ranks' parameters, bit for bit; 0 for none.")
    var replicaCheckEvery = 1000
    @Flag(inversion: .prefixedNo, help: "Print the settings of this run as a recipe, and stop.") var printConfig = false
    @Flag(inversion: .prefixedNo, help: "Check everything, print what would be done and its memory, and stop.")
    var dryRun = false

    func validate() throws {
        try Bounds.check("--keep-checkpoints", keepCheckpoints, Bounds.count)
        try Bounds.check("--keep-every", keepEvery, 0...Bounds.count.upperBound)
        try checkLimits()
    }
}

extension RunOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, StepConfiguration>] {
        [
            FlagBinding("--seed", \.seed, \.seed), FlagBinding("--spike-guard", \.spikeGuard, \.spikeGuard),
            FlagBinding(
                "--spike-threshold", \.spikeThreshold, \.spikeThreshold, .above(0),
                decidesNumbers: { $0.spikeGuard != .none }),
            FlagBinding(
                "--replica-check-every", \.replicaCheckEvery, \.replicaCheckEvery,
                .within(0...Bounds.count.upperBound), decidesNumbers: { _ in false }),
        ]
    }
}

/// Flags of `main_pretrain.py` that have nothing to do here; a run that is given one says so.
struct CompatibilityOptions: ParsableArguments {
    @Option(help: "Only cpu.") var device: String?
    @Option(help: "No effect: log.txt is in --output-dir.") var logDir: String?
    @Option(help: "No effect: the online classifier is reported with each epoch.") var valInterval: Int?
    @Flag(inversion: .prefixedNo, help: "No effect on CPUs.") var pinMem: Bool?
    @Option(help: "No effect: mpirun sets the world.") var worldSize: Int?
    @Option(help: "No effect: mpirun sets the rank.") var localRank: Int?
    @Flag(inversion: .prefixedNo, help: "No effect: mpirun sets the world.") var distOnItp = false
    @Option(help: "No effect: mpirun sets the world.") var distUrl: String?

    /// One line for each flag given that has no effect.
    func notices() throws -> [String] {
        if let device, device != "cpu" {
            throw SettingsError("--device is \(device): umae-dist trains on CPUs; leave the flag out")
        }
        return FlagValue.changed(in: self).filter { $0.flag != "device" }.map {
            "--\($0.flag) has no effect here; see umae-dist pretrain --help"
        }
    }
}

extension SpikeGuard.Action: ExpressibleByArgument {}

extension CheckpointInterval: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
    public var defaultValueDescription: String { text }
}
