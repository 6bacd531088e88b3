package import Models

/// The shape of a classifier that is fine-tuned from a pretrained encoder (facebookresearch/mae `main_finetune.py`).
///
/// What it has of an encoder's shape is read and set as its own: `configuration.embedDim`.
@dynamicMemberLookup
package struct ClassifierConfiguration: Equatable, Sendable {
    /// What the head is given of an image.
    package enum Pooling: String, Codable, CaseIterable, Sendable {
        /// The mean of the last block's patch tokens, through a norm of its own (`--global_pool`).
        case mean
        /// The class token after the encoder's norm (`--cls_token`).
        case cls
    }

    /// Of the encoder; which feature and positions it has is the classifier's.
    private var shape = VisionTransformerConfiguration()
    package var pooling = Pooling.mean
    package var classes = 1000
    /// Of the last block's branches, the share of images that go without; less in the blocks before (`--drop-path`).
    package var dropPath = 0.1

    package init() {}

    /// As a pretrained encoder, for images of its size; another size may be set afterwards.
    package init(of encoder: VisionTransformerConfiguration, classes: Int) {
        shape = encoder
        self.classes = classes
    }

    package subscript<Value>(dynamicMember keyPath: KeyPath<VisionTransformerConfiguration, Value>) -> Value {
        shape[keyPath: keyPath]
    }

    package subscript<Value>(dynamicMember keyPath: WritableKeyPath<VisionTransformerConfiguration, Value>) -> Value {
        get { shape[keyPath: keyPath] }
        set { shape[keyPath: keyPath] = newValue }
    }

    /// Its positions are trained, whatever pretraining had: `pos_embed` is an ordinary parameter of timm's.
    package var encoder: VisionTransformerConfiguration {
        var encoder = shape
        encoder.positions = .learned
        encoder.feature = pooling == .mean ? .pooled : .clsOnce
        encoder.finalNorm = pooling == .cls
        return encoder
    }

    /// Multiplications and additions of an image's training step; backward is twice forward.
    package var flopsPerImage: Double { 3 * (encoder.forwardFlops + 2 * Double(shape.embedDim * classes)) }

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

/// In files all values stand side by side.
extension ClassifierConfiguration: Codable {
    private enum CodingKeys: CodingKey { case pooling, classes, dropPath }

    package init(from decoder: any Decoder) throws {
        shape = try VisionTransformerConfiguration(from: decoder)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        pooling = try values.decode(Pooling.self, forKey: .pooling)
        classes = try values.decode(Int.self, forKey: .classes)
        dropPath = try values.decode(Double.self, forKey: .dropPath)
    }

    package func encode(to encoder: any Encoder) throws {
        try shape.encode(to: encoder)
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(pooling, forKey: .pooling)
        try values.encode(classes, forKey: .classes)
        try values.encode(dropPath, forKey: .dropPath)
    }
}
