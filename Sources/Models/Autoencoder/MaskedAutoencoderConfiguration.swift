/// The shape of a masked autoencoder and of its losses' inputs (He et al. 2022; facebookresearch/mae `models_mae.py`).
package struct MaskedAutoencoderConfiguration: Codable, Equatable, Sendable {
    /// Position embeddings of encoder and decoder.
    package enum Positions: String, Codable, CaseIterable, Sendable {
        /// Fixed 2-D sine and cosine, as published.
        case sincos
        /// Trained, as small-image recipes use.
        case learned
    }

    /// The image feature that the uniformity loss and the online classifier see.
    package enum Feature: String, Codable, CaseIterable, Sendable {
        /// The class token with the final norm applied a second time, as the public U-MAE code does.
        case cls
        /// The class token after the final norm.
        case clsOnce = "cls-once"
        /// The mean of the patch tokens after the final norm, through a norm of its own (`fc_norm`).
        case pooled
    }

    package var imageHeight = 224
    package var imageWidth = 224
    package var patchSize = 16
    package var channels = 3
    package var embedDim = 768
    package var depth = 12
    package var heads = 12
    package var decoderEmbedDim = 512
    package var decoderDepth = 8
    package var decoderHeads = 16
    package var mlpRatio = 4.0
    package var maskRatio = 0.75
    package var normPixLoss = true
    package var positions = Positions.sincos
    package var feature = Feature.cls

    package init() {}

    package var gridHeight: Int { imageHeight / patchSize }
    package var gridWidth: Int { imageWidth / patchSize }
    /// L
    package var patches: Int { gridHeight * gridWidth }
    /// K: truncated in double precision as `int(L * (1 - mask_ratio))` is, so 0.9 of 10 patches keeps none.
    package var keptPatches: Int { Int(Double(patches) * (1 - maskRatio)) }
    /// Values of one patch, p·p·C.
    package var patchValues: Int { patchSize * patchSize * channels }
    package var imageValues: Int { channels * imageHeight * imageWidth }
    package var hiddenWidth: Int { Int(Double(embedDim) * mlpRatio) }
    package var decoderHiddenWidth: Int { Int(Double(decoderEmbedDim) * mlpRatio) }

    /// Throws `ModelError` naming the first value that cannot be.
    package func validate() throws {
        let positive = [
            ("--input-size", imageHeight), ("--input-size", imageWidth), ("--patch-size", patchSize),
            ("--in-chans", channels), ("--embed-dim", embedDim), ("--depth", depth), ("--num-heads", heads),
            ("--decoder-embed-dim", decoderEmbedDim), ("--decoder-depth", decoderDepth),
            ("--decoder-num-heads", decoderHeads),
        ]
        for (name, value) in positive where value < 1 || value > 1 << 20 {
            throw ModelError("\(name) is \(value): it must be at least 1 and at most \(1 << 20)")
        }
        guard imageHeight % patchSize == 0 && imageWidth % patchSize == 0 else {
            throw ModelError(
                "--patch-size \(patchSize) does not divide the image size \(imageHeight)×\(imageWidth): "
                    + "choose --input-size as a multiple of the patch size")
        }
        try validate("--embed-dim", embedDim, heads: heads)
        try validate("--decoder-embed-dim", decoderEmbedDim, heads: decoderHeads)
        guard mlpRatio > 0 && mlpRatio <= 64 && hiddenWidth >= 1 && decoderHiddenWidth >= 1 else {
            throw ModelError("--mlp-ratio is \(mlpRatio): it must be above 0 and at most 64")
        }
        guard maskRatio >= 0 && maskRatio < 1 else {
            throw ModelError("--mask-ratio is \(maskRatio): it must be at least 0 and below 1")
        }
        guard keptPatches >= 1 else {
            throw ModelError("--mask-ratio \(maskRatio) keeps none of the \(patches) patches: choose a smaller one")
        }
        guard keptPatches < patches else {
            throw ModelError(
                "--mask-ratio \(maskRatio) masks none of the \(patches) patches, so there is nothing to reconstruct: "
                    + "choose a larger one")
        }
        guard !normPixLoss || patchValues > 1 else {
            throw ModelError("patches of one value have no variance: use --no-norm-pix-loss")
        }
    }

    private func validate(_ name: String, _ width: Int, heads: Int) throws {
        guard width % heads == 0 else { throw ModelError("\(name) \(width) is not divisible by \(heads) heads") }
        guard positions == .learned || width % 4 == 0 else {
            throw ModelError(
                "\(name) \(width) is not divisible by 4, which sin-cos positions need: use --pos-embed learned")
        }
    }
}

/// A model that cannot be built as asked.
package struct ModelError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
