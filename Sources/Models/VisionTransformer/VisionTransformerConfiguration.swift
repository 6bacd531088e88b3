internal import Layers

/// The shape of a vision transformer and of the image feature that is taken from it (Dosovitskiy et al. 2021).
package struct VisionTransformerConfiguration: Codable, Equatable, Sendable {
    /// Position embeddings, of a decoder too.
    package enum Positions: String, Codable, CaseIterable, Sendable {
        /// Fixed 2-D sine and cosine, as published.
        case sincos
        /// Trained, as small-image recipes use.
        case learned
    }

    /// The image feature that the uniformity loss and classifiers see.
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
    package var mlpRatio = 4.0
    package var positions = Positions.sincos
    package var feature = Feature.cls
    /// Whether queries, keys and values have biases, in a decoder too.
    package var qkvBias = true
    /// ε of all norms, in a decoder too.
    package var normEpsilon = LayerNorm.usualEpsilon
    /// Whether the class token has a position of its own; where positions are fixed that is zero in any case.
    package var clsPosition = true
    /// Whether the tokens of the last block pass a norm. A classifier of their mean has one behind the mean instead, as
    /// facebookresearch/mae's `models_vit.py`; what was pretrained always has it, so files do not say.
    package var finalNorm = true

    package init() {}

    private enum CodingKeys: CodingKey {
        case imageHeight, imageWidth, patchSize, channels, embedDim, depth, heads, mlpRatio, positions, feature
        case qkvBias, normEpsilon, clsPosition
    }

    package var gridHeight: Int { imageHeight / patchSize }
    package var gridWidth: Int { imageWidth / patchSize }
    /// L
    package var patches: Int { gridHeight * gridWidth }
    /// Values of one patch, p·p·C.
    package var patchValues: Int { patchSize * patchSize * channels }
    package var imageValues: Int { channels * imageHeight * imageWidth }
    package var hiddenWidth: Int { Int(Double(embedDim) * mlpRatio) }

    var blockShape: TransformerBlock.Shape {
        TransformerBlock.Shape(
            heads: heads, width: embedDim, hiddenWidth: hiddenWidth, qkvBias: qkvBias, normEpsilon: normEpsilon)
    }

    /// Throws `ModelError` naming the first value that cannot be.
    package func validate() throws {
        try Self.validate([
            ("--input-size", imageHeight), ("--input-size", imageWidth), ("--patch-size", patchSize),
            ("--in-chans", channels), ("--embed-dim", embedDim), ("--depth", depth), ("--num-heads", heads),
        ])
        guard imageHeight % patchSize == 0 && imageWidth % patchSize == 0 else {
            throw ModelError(
                "--patch-size \(patchSize) does not divide the image size \(imageHeight)×\(imageWidth): "
                    + "choose --input-size as a multiple of the patch size")
        }
        try validate("--embed-dim", embedDim, heads: heads)
        guard mlpRatio > 0 && mlpRatio <= 64 && hiddenWidth >= 1 else {
            throw ModelError("--mlp-ratio is \(mlpRatio): it must be above 0 and at most 64")
        }
    }

    /// Sizes, by their flags.
    static func validate(_ sizes: [(flag: String, value: Int)]) throws {
        for (flag, value) in sizes where value < 1 || value > 1 << 20 {
            throw ModelError("\(flag) is \(value): it must be at least 1 and at most \(1 << 20)")
        }
    }

    /// The width of a stack of blocks on these positions.
    func validate(_ flag: String, _ width: Int, heads: Int) throws {
        guard width % heads == 0 else { throw ModelError("\(flag) \(width) is not divisible by \(heads) heads") }
        guard positions == .learned || width % 4 == 0 else {
            throw ModelError(
                "\(flag) \(width) is not divisible by 4, which sin-cos positions need: use --pos-embed learned")
        }
    }
}
