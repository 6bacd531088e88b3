internal import ArgumentParser
internal import Evaluation
internal import FineTuning
internal import Optimization
internal import Settings

/// Flags of a linear probe that is trained as in facebookresearch/mae `main_linprobe.py`.
struct ProbeTrainingOptions: ParsableArguments {
    enum Augmentation: String, CaseIterable, ExpressibleByArgument {
        case none, crop
    }

    @Option(
        help: """
            What is made of training images: none (features are taken once), or crop (a random part and a flip, encoded \
            anew in every epoch, as in main_linprobe.py).
            """)
    var augment = Augmentation.none
    @Option(
        help: """
            Images of an update on all ranks; no more than there are (default: 16384; --probe attentive: 1024).
            """)
    var effectiveBatchSize: Int?
    @Option(help: "Epochs.") var epochs = 90
    @Option(help: "Epochs of linear warm-up.") var warmupEpochs = 10.0
    @Option(
        help: """
            Base learning rates, with commas between, each for a classifier of its own: the rate is blr × images of an \
            update / 256 (default: 0.1; --probe attentive takes one, 0.001).
            """)
    var blr: NumberList?
    @Option(help: "Weight decay.") var weightDecay = 0.0
    @Option(
        help:
            "Learned queries of --probe attentive (default: the largest power of two that divides the width, at most 32)."
    )
    var queries: Int?
    @Option(
        help: """
            Images whose mean and deviation normalise the features of a batch: global (of all ranks) or rank (of each \
            by itself, as in the public code).
            """)
    var batchStatistics = BatchStatistics.global
    @Option(help: "Seed of weights, order and crops.") var seed: UInt64 = 0
    @Option(help: "Threads of each rank that prepare images ahead, where these are encoded in every epoch.")
    var numWorkers = 1
    @Option(
        help: """
            Directory in which the classifiers are kept after every epoch; the same command goes on from there.
            """, completion: .directory)
    var outputDir: String?

    func validate() throws {
        try Bounds.check("--effective-batch-size", effectiveBatchSize, 2...1 << 30)
        try Bounds.check("--epochs", epochs, 1...1 << 20)
        try Bounds.check("--warmup-epochs", warmupEpochs, .atLeast(0))
        try Bounds.check("--weight-decay", weightDecay, .atLeast(0))
        try Bounds.check("--num-workers", numWorkers, 0...1024)
        try Bounds.check("--queries", queries, 1...1 << 16)
        guard blr?.values.isEmpty != true else { throw ValidationError("--blr needs a rate at least") }
        guard warmupEpochs < Double(epochs) else {
            throw ValidationError("--warmup-epochs is \(warmupEpochs): it must be below --epochs \(epochs)")
        }
    }

    /// - Parameter images: for training.
    func configuration(images: Int) -> ProbeTraining.Configuration {
        var c = ProbeTraining.Configuration()
        c.batch = min(effectiveBatchSize ?? c.batch, images)
        c.epochs = epochs
        c.warmupEpochs = warmupEpochs
        c.baseRates = blr?.values ?? c.baseRates
        c.statistics = batchStatistics
        c.optimizer.weightDecay = weightDecay
        c.seed = seed
        return c
    }

    /// - Parameter width: of the model.
    func attentive(width: Int) -> AttentiveProbeTraining.Configuration {
        var c = AttentiveProbeTraining.Configuration()
        c.epochs = epochs
        c.warmupEpochs = warmupEpochs
        c.baseRate = blr?.values.first ?? c.baseRate
        c.weightDecay = weightDecay
        c.queries = queries ?? [32, 16, 8, 4, 2, 1].first { width.isMultiple(of: $0) } ?? 1
        c.seed = seed
        return c
    }

    func settings(_ c: AttentiveProbeTraining.Configuration, batch: Int) -> String {
        "attentive, augment \(augment.rawValue), batch \(batch), epochs \(c.epochs), warm-up \(c.warmupEpochs), blr "
            + "\(c.baseRate), weight decay \(c.weightDecay), queries \(c.queries), seed \(c.seed)"
    }

    /// All that decides what is learnt, but features and images.
    func settings(_ c: ProbeTraining.Configuration) -> String {
        "augment \(augment.rawValue), batch \(c.batch), epochs \(c.epochs), warm-up \(c.warmupEpochs), blr "
            + "\(c.baseRates), weight decay \(c.optimizer.weightDecay), statistics \(c.statistics.rawValue), seed \(c.seed)"
    }
}

extension BatchStatistics: ExpressibleByArgument {}
