import DataParallel
import Models
import Optimization
import Tensors
import Training
import Yams

/// The settings of a run as a recipe that gives the same run.
enum RecipeText {
    static func yaml(of options: PretrainOptions, _ c: PretrainConfiguration) throws -> String {
        let m = c.model
        let settings: [(Node, Node)] = [
            ("model", options.model.model), ("input_size", "\(m.imageHeight)x\(m.imageWidth)"),
            ("patch_size", m.patchSize), ("in_chans", m.channels), ("embed_dim", m.embedDim), ("depth", m.depth),
            ("num_heads", m.heads), ("decoder_embed_dim", m.decoderEmbedDim), ("decoder_depth", m.decoderDepth),
            ("decoder_num_heads", m.decoderHeads), ("mlp_ratio", m.mlpRatio), ("mask_ratio", m.maskRatio),
            ("norm_pix_loss", m.normPixLoss), ("pos_embed", m.positions.rawValue), ("feature", m.feature.rawValue),
            ("lamb", c.loss.lamb), ("reg", c.loss.regularizer.kind.rawValue),
            ("uniformity_exchange", c.loss.regularizer.exchange.rawValue), ("negatives", c.loss.negatives.rawValue),
            ("tcr_mu", c.loss.regularizer.tcrMu), ("uniformity_t", c.loss.regularizer.uniformityT),
            ("uniformity_gradient", c.loss.uniformityGradient.rawValue),
            ("effective_batch_size", c.effectiveBatchSize), ("accum_iter", c.accumulation), ("epochs", c.epochs),
            ("start_epoch", c.startEpoch), ("warmup_epochs", c.warmupEpochs), ("lr", c.learningRate),
            ("min_lr", c.minimumLearningRate), ("weight_decay", c.optimizer.weightDecay),
            ("data_path", c.dataPath), ("synthetic_images", c.syntheticImages),
            ("num_workers", options.data.numWorkers), ("seed", Int(clamping: c.seed)),
            ("precision", c.precision.rawValue),
            ("spike_guard", c.spikeGuard.rawValue), ("spike_threshold", c.spikeThreshold),
            ("replica_check_every", c.replicaCheckEvery),
            ("checkpoint_every", options.run.checkpointEvery.text), ("keep_checkpoints", options.run.keepCheckpoints),
            ("keep_every", options.run.keepEvery),
        ].map { (Node($0), node($1)) }
        let clip = c.clipGradient.map { [(Node("clip_grad"), node($0))] } ?? []
        return try Yams.serialize(node: Node.mapping(Node.Mapping(settings + clip))).trimmedOfNewlines
    }

    private static func node(_ value: any Sendable) -> Node { Node("\(value)") }
}

extension String {
    fileprivate var trimmedOfNewlines: String {
        var text = self
        while text.last == "\n" { text.removeLast() }
        return text
    }
}
