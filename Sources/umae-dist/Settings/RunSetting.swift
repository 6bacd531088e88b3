import DataParallel
import Models
import Optimization
import Pretraining
import Regularizers
import Runs

/// A setting of a run as recipes and `config.yaml` have it.
struct RunSetting {
    enum Value {
        /// A number, a word or a switch.
        case plain(String)
        /// Any text.
        case text(String)
    }

    let key: String
    /// As it was given, or the default; nil if it was not given and has none.
    let value: Value?
    /// What the run took where nothing was given.
    let resolved: Value?

    init(_ key: String, _ value: (some Any)?, resolved: (any Sendable)? = nil) {
        self.key = key
        self.value = value.map { .plain("\($0)") }
        self.resolved = resolved.map { .plain("\($0)") }
    }

    init(_ key: String, text: String) {
        self.key = key
        value = .text(text)
        resolved = nil
    }
}

extension PretrainOptions {
    /// All that makes a run what it is, in the order of `--help`. Not among it are the flags that say where a run is kept
    /// and what is done with it (`--recipe`, `--output-dir`, `--resume`, `--print-config`, `--dry-run`, `--timeline`), and
    /// those of main_pretrain.py that have no effect.
    func settings(of c: PretrainConfiguration) -> [RunSetting] {
        modelSettings(c) + lossSettings + optimisationSettings(c) + exchangeSettings + dataSettings + runSettings
            + computeSettings
    }

    private func modelSettings(_ c: PretrainConfiguration) -> [RunSetting] {
        let m = c.model
        return [
            RunSetting("model", text: model.model),
            RunSetting(
                "input_size", model.inputSize.map { "\($0.height)x\($0.width)" },
                resolved: "\(m.imageHeight)x\(m.imageWidth)"),
            RunSetting("patch_size", model.patchSize, resolved: m.patchSize),
            // Otherwise those of the images.
            RunSetting("in_chans", model.inChans),
            RunSetting("embed_dim", model.embedDim, resolved: m.embedDim),
            RunSetting("depth", model.depth, resolved: m.depth),
            RunSetting("num_heads", model.numHeads, resolved: m.heads),
            RunSetting("decoder_embed_dim", model.decoderEmbedDim, resolved: m.decoderEmbedDim),
            RunSetting("decoder_depth", model.decoderDepth, resolved: m.decoderDepth),
            RunSetting("decoder_num_heads", model.decoderNumHeads, resolved: m.decoderHeads),
            RunSetting("mlp_ratio", model.mlpRatio, resolved: m.mlpRatio), RunSetting("mask_ratio", model.maskRatio),
            RunSetting("norm_pix_loss", model.normPixLoss),
            RunSetting("pos_embed", model.posEmbed?.rawValue, resolved: m.positions.rawValue),
            RunSetting("feature", model.feature.rawValue),
        ]
    }

    private var lossSettings: [RunSetting] {
        [
            RunSetting("lamb", loss.lamb), RunSetting("reg", loss.reg.rawValue), RunSetting("tcr_mu", loss.tcrMu),
            RunSetting("uniformity_t", loss.uniformityT),
            RunSetting("uniformity_exchange", loss.uniformityExchange.rawValue),
            RunSetting("negatives", loss.negatives.rawValue),
            RunSetting("uniformity_gradient", loss.uniformityGradient.rawValue),
        ]
    }

    private func optimisationSettings(_ c: PretrainConfiguration) -> [RunSetting] {
        let o = optimisation
        return [
            RunSetting("batch_size", o.batchSize),
            RunSetting(
                "effective_batch_size", o.batchSize == nil ? o.effectiveBatchSize : nil, resolved: c.effectiveBatchSize),
            RunSetting("epochs", o.epochs), RunSetting("accum_iter", o.accumIter),
            RunSetting("blr", o.lr == nil ? o.blr : nil), RunSetting("lr", o.lr, resolved: c.learningRate),
            RunSetting("min_lr", o.minLr), RunSetting("warmup_epochs", o.warmupEpochs),
            RunSetting("weight_decay", o.weightDecay), RunSetting("clip_grad", o.clipGrad),
            RunSetting("start_epoch", o.startEpoch),
        ]
    }

    private var exchangeSettings: [RunSetting] {
        [
            RunSetting("gradient_exchange", exchange.gradientExchange.rawValue),
            RunSetting("bucket_mib", exchange.bucketMib), RunSetting("gradient_wire", exchange.gradientWire.rawValue),
            RunSetting("shard_optimizer", exchange.shardOptimizer), RunSetting("deterministic", exchange.deterministic),
            RunSetting("deterministic_shards", exchange.deterministicShards),
        ]
    }

    private var dataSettings: [RunSetting] {
        [
            RunSetting("data_path", text: data.dataPath), RunSetting("synthetic_images", data.syntheticImages),
            RunSetting("images", data.images), RunSetting("num_workers", data.numWorkers),
        ]
    }

    private var runSettings: [RunSetting] {
        [
            RunSetting("checkpoint_every", run.checkpointEvery.text),
            RunSetting("keep_checkpoints", run.keepCheckpoints),
            RunSetting("keep_every", run.keepEvery), RunSetting("seed", run.seed),
            RunSetting("spike_guard", run.spikeGuard.rawValue), RunSetting("spike_threshold", run.spikeThreshold),
            RunSetting("replica_check_every", run.replicaCheckEvery),
        ]
    }

    private var computeSettings: [RunSetting] {
        [
            RunSetting("precision", (compute.precision ?? .auto).rawValue), RunSetting("threads", compute.threads),
            RunSetting("recompute_activations", compute.recomputeActivations),
            RunSetting("stall_timeout", compute.stallTimeout),
        ]
    }
}
