package import Models

/// A feature of an image: how it is taken from the tokens behind a block.
package struct ImageFeature: Hashable, Sendable {
    package var pooling: VisionTransformerConfiguration.Feature
    /// Counted from the last block, which is 0.
    package var block: Int

    package init(_ pooling: VisionTransformerConfiguration.Feature, block: Int = 0) {
        self.pooling = pooling
        self.block = block
    }

    package static var cls: ImageFeature { ImageFeature(.cls) }
    package static var clsOnce: ImageFeature { ImageFeature(.clsOnce) }
    package static var pooled: ImageFeature { ImageFeature(.pooled) }

    /// Every way to take one from the last block.
    package static var ofLastBlock: [ImageFeature] {
        VisionTransformerConfiguration.Feature.allCases.map { ImageFeature($0) }
    }

    /// `cls`, or `cls-block-2` of the second block before the last.
    package var name: String { block == 0 ? pooling.rawValue : "\(pooling.rawValue)-block-\(block)" }
}
