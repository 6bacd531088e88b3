internal import Layers

/// The shape of a masked autoencoder and of its losses' inputs (He et al. 2022; facebookresearch/mae `models_mae.py`).
///
/// What it has of its encoder is read and set as its own: `configuration.embedDim`.
@dynamicMemberLookup
package struct MaskedAutoencoderConfiguration: Equatable, Sendable {
    package var encoder = VisionTransformerConfiguration()
    package var decoderEmbedDim = 512
    package var decoderDepth = 8
    package var decoderHeads = 16
    /// Whether a layer brings the latent to the decoder's width; without one both widths are the same.
    package var decoderEmbed = true
    /// Whether the decoder's tokens pass a norm before pixels are predicted.
    package var decoderNorm = true
    package var maskRatio = 0.75
    package var normPixLoss = true

    package init() {}

    package subscript<Value>(dynamicMember keyPath: KeyPath<VisionTransformerConfiguration, Value>) -> Value {
        encoder[keyPath: keyPath]
    }

    package subscript<Value>(dynamicMember keyPath: WritableKeyPath<VisionTransformerConfiguration, Value>) -> Value {
        get { encoder[keyPath: keyPath] }
        set { encoder[keyPath: keyPath] = newValue }
    }

    /// K: truncated in double precision as `int(L * (1 - mask_ratio))` is, so 0.9 of 10 patches keeps none.
    package var keptPatches: Int { Int(Double(encoder.patches) * (1 - maskRatio)) }
    package var decoderHiddenWidth: Int { Int(Double(decoderEmbedDim) * encoder.mlpRatio) }

    var decoderShape: TransformerBlock.Shape {
        TransformerBlock.Shape(
            heads: decoderHeads, width: decoderEmbedDim, hiddenWidth: decoderHiddenWidth, qkvBias: encoder.qkvBias,
            normEpsilon: encoder.normEpsilon)
    }

    /// Throws `ModelError` naming the first value that cannot be.
    package func validate() throws {
        try encoder.validate()
        try VisionTransformerConfiguration.validate([
            ("--decoder-embed-dim", decoderEmbedDim), ("--decoder-depth", decoderDepth),
            ("--decoder-num-heads", decoderHeads),
        ])
        try encoder.validate("--decoder-embed-dim", decoderEmbedDim, heads: decoderHeads)
        guard decoderEmbed || decoderEmbedDim == encoder.embedDim else {
            throw ModelError(
                "--no-decoder-embed leaves the latent its width \(encoder.embedDim), and --decoder-embed-dim is "
                    + "\(decoderEmbedDim): they must be equal")
        }
        guard decoderHiddenWidth >= 1 else {
            throw ModelError("--mlp-ratio \(encoder.mlpRatio) leaves the decoder's MLPs no width: choose a larger one")
        }
        guard maskRatio >= 0 && maskRatio < 1 else {
            throw ModelError("--mask-ratio is \(maskRatio): it must be at least 0 and below 1")
        }
        guard keptPatches >= 1 else {
            throw ModelError(
                "--mask-ratio \(maskRatio) keeps none of the \(encoder.patches) patches: choose a smaller one")
        }
        guard keptPatches < encoder.patches else {
            throw ModelError(
                "--mask-ratio \(maskRatio) masks none of the \(encoder.patches) patches, so there is nothing to "
                    + "reconstruct: choose a larger one")
        }
        guard !normPixLoss || encoder.patchValues > 1 else {
            throw ModelError("patches of one value have no variance: use --no-norm-pix-loss")
        }
    }
}

/// Encoder and decoder are told apart in memory alone: in files all values stand side by side, where every checkpoint
/// has them.
extension MaskedAutoencoderConfiguration: Codable {
    private enum CodingKeys: CodingKey {
        case decoderEmbedDim, decoderDepth, decoderHeads, decoderEmbed, decoderNorm, maskRatio, normPixLoss
    }

    package init(from decoder: any Decoder) throws {
        encoder = try VisionTransformerConfiguration(from: decoder)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        decoderEmbedDim = try values.decode(Int.self, forKey: .decoderEmbedDim)
        decoderDepth = try values.decode(Int.self, forKey: .decoderDepth)
        decoderHeads = try values.decode(Int.self, forKey: .decoderHeads)
        decoderEmbed = try values.decode(Bool.self, forKey: .decoderEmbed)
        decoderNorm = try values.decode(Bool.self, forKey: .decoderNorm)
        maskRatio = try values.decode(Double.self, forKey: .maskRatio)
        normPixLoss = try values.decode(Bool.self, forKey: .normPixLoss)
    }

    package func encode(to encoder: any Encoder) throws {
        try self.encoder.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(decoderEmbedDim, forKey: .decoderEmbedDim)
        try values.encode(decoderDepth, forKey: .decoderDepth)
        try values.encode(decoderHeads, forKey: .decoderHeads)
        try values.encode(decoderEmbed, forKey: .decoderEmbed)
        try values.encode(decoderNorm, forKey: .decoderNorm)
        try values.encode(maskRatio, forKey: .maskRatio)
        try values.encode(normPixLoss, forKey: .normPixLoss)
    }
}
