internal import DataParallel
package import Models
internal import Optimization
internal import Regularizers
internal import Tensors

/// One value of a configuration under the flag that gives it.
package struct ConfigurationSetting: Equatable, Sendable {
    package let flag: String
    package let value: String
    /// Whether the weights of the run depend on it by more than how sums are rounded.
    package let decidesNumbers: Bool

    init(_ flag: String, _ value: some Any, decidesNumbers: Bool = true) {
        self.flag = flag
        self.value = "\(value)"
        self.decidesNumbers = decidesNumbers
    }
}

/// Configurations as lines of text that name flags, for comparing ranks and for people.
package enum ConfigurationText {
    /// One line per value, in a fixed order; configurations are equal if and only if their lines are.
    package static func lines(of configuration: PretrainConfiguration) -> [String] { lines(configuration.settings) }
    package static func lines(of model: MaskedAutoencoderConfiguration) -> [String] { lines(model.settings) }
    package static func lines(of loss: LossConfiguration) -> [String] { lines(loss.settings) }

    private static func lines(_ settings: [ConfigurationSetting]) -> [String] {
        settings.map { "\($0.flag) \($0.value)" }
    }
}

extension MaskedAutoencoderConfiguration {
    var settings: [ConfigurationSetting] {
        [
            ConfigurationSetting("--input-size", "\(encoder.imageHeight)x\(encoder.imageWidth)"),
            ConfigurationSetting("--patch-size", encoder.patchSize),
            ConfigurationSetting("--in-chans", encoder.channels),
            ConfigurationSetting("--embed-dim", encoder.embedDim), ConfigurationSetting("--depth", encoder.depth),
            ConfigurationSetting("--num-heads", encoder.heads),
            ConfigurationSetting("--decoder-embed-dim", decoderEmbedDim),
            ConfigurationSetting("--decoder-depth", decoderDepth),
            ConfigurationSetting("--decoder-num-heads", decoderHeads),
            ConfigurationSetting("--mlp-ratio", encoder.mlpRatio),
            ConfigurationSetting("--mask-ratio", maskRatio), ConfigurationSetting("--norm-pix-loss", normPixLoss),
            ConfigurationSetting("--pos-embed", encoder.positions.rawValue),
            ConfigurationSetting("--feature", encoder.feature.rawValue),
        ]
    }
}

extension LossConfiguration {
    var settings: [ConfigurationSetting] {
        [
            ConfigurationSetting("--lamb", lamb), ConfigurationSetting("--reg", regularizer.kind.rawValue),
            ConfigurationSetting("--tcr-mu", regularizer.tcrMu, decidesNumbers: regularizer.kind == .tcr),
            ConfigurationSetting(
                "--uniformity-t", regularizer.uniformityT, decidesNumbers: regularizer.kind == .uniformity),
            // The same loss to rounding.
            ConfigurationSetting("--uniformity-exchange", regularizer.transport.rawValue, decidesNumbers: false),
            ConfigurationSetting("--negatives", negatives.rawValue),
            ConfigurationSetting("--uniformity-gradient", uniformityGradient.rawValue),
        ]
    }
}

extension PretrainConfiguration {
    /// Every value, in the order of `--help`. Ranks compare all of it, a resumed run what decides numbers.
    package var settings: [ConfigurationSetting] {
        let exchange = gradientExchange
        return model.settings + loss.settings + [
            ConfigurationSetting("--effective-batch-size", effectiveBatchSize),
            ConfigurationSetting("--epochs", epochs),
            // Divides the same batch otherwise, unless only images of one micro-batch are compared.
            ConfigurationSetting(
                "--accum-iter", accumulation, decidesNumbers: loss.weight != 0 && loss.negatives == .micro),
            ConfigurationSetting("--lr", learningRate), ConfigurationSetting("--min-lr", minimumLearningRate),
            ConfigurationSetting("--warmup-epochs", warmupEpochs),
            ConfigurationSetting("--weight-decay", optimizer.weightDecay),
            ConfigurationSetting("beta1 of AdamW", optimizer.beta1),
            ConfigurationSetting("beta2 of AdamW", optimizer.beta2),
            ConfigurationSetting("epsilon of AdamW", optimizer.epsilon),
            ConfigurationSetting("--clip-grad", clipGradient.map { "\($0)" } ?? "none"),
            // A resumed run knows its epoch by itself.
            ConfigurationSetting("--start-epoch", startEpoch, decidesNumbers: false),
            ConfigurationSetting("--gradient-exchange", exchange.algorithm.rawValue, decidesNumbers: false),
            ConfigurationSetting("--bucket-mib", Double(exchange.bucketBytes) / 1_048_576, decidesNumbers: false),
            ConfigurationSetting("--gradient-wire", exchange.wire.rawValue),
            ConfigurationSetting("--shard-optimizer", exchange.shardsOptimizer, decidesNumbers: false),
            ConfigurationSetting("--deterministic", exchange.fixedShards > 0),
            ConfigurationSetting(
                "--deterministic-shards", exchange.fixedShards > 0 ? "\(exchange.fixedShards)" : "none"),
            // Images are compared by their checksum, wherever they lie.
            ConfigurationSetting("--data-path", dataPath, decidesNumbers: false),
            ConfigurationSetting("--synthetic-images", syntheticImages, decidesNumbers: false),
            ConfigurationSetting("--seed", seed),
            ConfigurationSetting("--spike-guard", spikeGuard.rawValue),
            ConfigurationSetting("--spike-threshold", spikeThreshold, decidesNumbers: spikeGuard != .none),
            ConfigurationSetting("--replica-check-every", replicaCheckEvery, decidesNumbers: false),
            ConfigurationSetting("--precision", precision.rawValue),
        ]
    }

    /// One line for each setting that decides numbers and is another than `saved` has, the configuration of a checkpoint:
    /// `--lamb 0.1 in the checkpoint, 0.01 now`.
    package func differences(from saved: PretrainConfiguration) -> [String] {
        zip(saved.settings, settings).compactMap { old, new in
            guard old.value != new.value, old.decidesNumbers || new.decidesNumbers else { return nil }
            return "\(new.flag) \(old.value) in the checkpoint, \(new.value) now"
        }
    }

    /// What a checkpoint must share with the run that goes on from it; the first difference, if there is one.
    func obstacleToResuming(_ saved: PretrainConfiguration) -> String? {
        if let (old, new) = zip(saved.model.settings, model.settings).first(where: { $0 != $1 }) {
            return "another model: \(new.flag) \(old.value) there, \(new.value) now"
        }
        if saved.seed != seed { return "--seed \(saved.seed), this run has \(seed)" }
        if saved.effectiveBatchSize != effectiveBatchSize {
            return "an effective batch of \(saved.effectiveBatchSize) images, this run has \(effectiveBatchSize)"
        }
        return nil
    }
}
