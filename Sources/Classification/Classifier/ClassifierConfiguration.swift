internal import Layers
package import Models

/// The shape of a classifier that is fine-tuned from a pretrained encoder (facebookresearch/mae `main_finetune.py`).
package struct ClassifierConfiguration: Codable, Equatable, Sendable {
    /// What the head is given of an image.
    package enum Pooling: String, Codable, CaseIterable, Sendable {
        /// The mean of the last block's patch tokens, through a norm of its own (`--global_pool`).
        case mean
        /// The class token after the encoder's norm (`--cls_token`).
        case cls
    }

    package var imageHeight = 224
    package var imageWidth = 224
    package var patchSize = 16
    package var channels = 3
    package var embedDim = 768
    package var depth = 12
    package var heads = 12
    package var mlpRatio = 4.0
    package var qkvBias = true
    package var normEpsilon = LayerNorm.usualEpsilon
    /// Whether the class token has a position of its own.
    package var clsPosition = true
    package var pooling = Pooling.mean
    package var classes = 1000
    /// Of the last block's branches, the share of images that go without; less in the blocks before (`--drop-path`).
    package var dropPath = 0.1

    package init() {}

    /// As a pretrained encoder, for images of its size; another size may be set afterwards.
    package init(of encoder: VisionTransformerConfiguration, classes: Int) {
        (imageHeight, imageWidth) = (encoder.imageHeight, encoder.imageWidth)
        (patchSize, channels) = (encoder.patchSize, encoder.channels)
        (embedDim, depth, heads, mlpRatio) = (encoder.embedDim, encoder.depth, encoder.heads, encoder.mlpRatio)
        (qkvBias, normEpsilon, clsPosition) = (encoder.qkvBias, encoder.normEpsilon, encoder.clsPosition)
        self.classes = classes
    }

    /// Its positions are trained, whatever pretraining had: `pos_embed` is an ordinary parameter of timm's.
    package var encoder: VisionTransformerConfiguration {
        var encoder = VisionTransformerConfiguration()
        (encoder.imageHeight, encoder.imageWidth) = (imageHeight, imageWidth)
        (encoder.patchSize, encoder.channels) = (patchSize, channels)
        (encoder.embedDim, encoder.depth, encoder.heads, encoder.mlpRatio) = (embedDim, depth, heads, mlpRatio)
        (encoder.qkvBias, encoder.normEpsilon, encoder.clsPosition) = (qkvBias, normEpsilon, clsPosition)
        encoder.positions = .learned
        encoder.feature = pooling == .mean ? .pooled : .clsOnce
        encoder.finalNorm = pooling == .cls
        return encoder
    }

    /// Multiplications and additions of an image's training step; backward is twice forward.
    package var flopsPerImage: Double { 3 * (encoder.forwardFlops + 2 * Double(embedDim * classes)) }

    /// Throws `ModelError` naming the first value that cannot be.
    package func validate() throws {
        try encoder.validate()
        guard classes >= 1 && classes <= 1 << 20 else {
            throw ModelError("--nb-classes is \(classes): it must be at least 1 and at most \(1 << 20)")
        }
        guard dropPath >= 0 && dropPath < 1 else {
            throw ModelError("--drop-path is \(dropPath): it must be at least 0 and below 1")
        }
    }
}
