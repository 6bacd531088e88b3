/// The models that `--model` names. Base, large and huge are facebookresearch/mae's; the small ones follow the widths
/// of DeiT-Tiny and -Small with decoders in proportion.
package enum ModelPreset {
    /// Preset names, smallest first.
    package static let names = [
        "mae_vit_micro_patch4", "mae_vit_tiny_patch2", "mae_vit_tiny_patch4", "mae_vit_tiny_patch16",
        "mae_vit_small_patch16", "mae_vit_base_patch16", "mae_vit_large_patch16", "mae_vit_huge_patch14",
    ]

    /// - Throws: `ModelError` listing the names, if there is no such preset.
    package static func configuration(named name: String) throws -> MaskedAutoencoderConfiguration {
        // The public code also has the long names of its defaults.
        let short = name.hasSuffix("_dec512d8b") ? String(name.dropLast("_dec512d8b".count)) : name
        switch short {
        case "mae_vit_micro_patch4":
            // 28×28 grey images in 49 patches: learns Fashion-MNIST in minutes on two cores.
            return make(image: 28, patch: 4, channels: 1, encoder: (128, 6, 4), decoder: (64, 2, 4))
        case "mae_vit_tiny_patch2":
            // The CIFAR-10 model of the U-MAE paper: ViT-Tiny on 256 patches with learned positions.
            var configuration = make(image: 32, patch: 2, channels: 3, encoder: (192, 12, 3), decoder: (192, 4, 3))
            configuration.positions = .learned
            return configuration
        case "mae_vit_tiny_patch4":
            return make(image: 32, patch: 4, channels: 3, encoder: (192, 12, 3), decoder: (192, 4, 3))
        case "mae_vit_tiny_patch16":
            return make(image: 224, patch: 16, channels: 3, encoder: (192, 12, 3), decoder: (192, 4, 3))
        case "mae_vit_small_patch16":
            return make(image: 224, patch: 16, channels: 3, encoder: (384, 12, 6), decoder: (256, 8, 8))
        case "mae_vit_base_patch16":
            return make(image: 224, patch: 16, channels: 3, encoder: (768, 12, 12), decoder: (512, 8, 16))
        case "mae_vit_large_patch16":
            return make(image: 224, patch: 16, channels: 3, encoder: (1024, 24, 16), decoder: (512, 8, 16))
        case "mae_vit_huge_patch14":
            return make(image: 224, patch: 14, channels: 3, encoder: (1280, 32, 16), decoder: (512, 8, 16))
        default:
            throw ModelError("unknown model '\(name)': choose one of \(names.joined(separator: ", "))")
        }
    }

    private static func make(
        image: Int, patch: Int, channels: Int, encoder: (width: Int, depth: Int, heads: Int),
        decoder: (width: Int, depth: Int, heads: Int)
    ) -> MaskedAutoencoderConfiguration {
        var configuration = MaskedAutoencoderConfiguration()
        configuration.imageHeight = image
        configuration.imageWidth = image
        configuration.patchSize = patch
        configuration.channels = channels
        (configuration.embedDim, configuration.depth, configuration.heads) = encoder
        (configuration.decoderEmbedDim, configuration.decoderDepth, configuration.decoderHeads) = decoder
        return configuration
    }
}
