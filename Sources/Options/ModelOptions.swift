package import ArgumentParser
package import Models
package import Settings

/// Flags that say what is trained.
package struct ModelOptions: ParsableArguments {
    @Option(help: "Preset: \(ModelPreset.names.joined(separator: ", ")).")
    package var model = "mae_vit_micro_patch4"

    @Option(
        name: [.customLong("input-size"), .customLong("img-size")],
        help: "Image size in pixels, a number or HEIGHTxWIDTH (default: the preset's).")
    package var inputSize: InputSize?

    @Option(help: "Patch size (default: the preset's, as for all flags of the architecture).") package var patchSize:
        Int?
    @Option(help: "Image channels.") package var inChans: Int?
    @Option(help: "Encoder width.") package var embedDim: Int?
    @Option(help: "Encoder blocks.") package var depth: Int?
    @Option(help: "Encoder heads.") package var numHeads: Int?
    @Option(help: "Decoder width.") package var decoderEmbedDim: Int?
    @Option(help: "Decoder blocks.") package var decoderDepth: Int?
    @Option(help: "Decoder heads.") package var decoderNumHeads: Int?
    @Option(help: "Hidden width of the MLPs over the width.") package var mlpRatio: Double?
    @Option(help: "Share of patches that is masked.") package var maskRatio = 0.75

    @Flag(inversion: .prefixedNo, help: "Reconstruct patches normalised to zero mean and unit variance.")
    package var normPixLoss = true

    @Option(help: "Position embeddings: sincos (fixed) or learned (default: the preset's).")
    package var posEmbed: VisionTransformerConfiguration.Positions?

    @Flag(inversion: .prefixedNo, help: "Biases of queries, keys and values.") package var qkvBias = true
    @Option(help: "ε of all norms.") package var normEps = 1e-6
    @Flag(inversion: .prefixedNo, help: "A position of the class token's own, where positions are learned.")
    package var clsPosition = true
    @Flag(inversion: .prefixedNo, help: "A layer from the encoder's width to the decoder's.")
    package var decoderEmbed = true
    @Flag(inversion: .prefixedNo, help: "A norm before pixels are predicted.") package var decoderNorm = true

    @Option(
        help: """
            Feature of the uniformity loss: cls (class token, final norm applied twice as in the public code), \
            cls-once, pooled.
            """)
    package var feature = VisionTransformerConfiguration.Feature.cls

    package init() {}

    package func validate() throws { try checkLimits() }

    /// The preset with every flag given applied; not yet validated.
    package func configuration() throws -> MaskedAutoencoderConfiguration {
        var configuration = try ModelPreset.configuration(named: model)
        apply(to: &configuration)
        return configuration
    }
}

extension ModelOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, MaskedAutoencoderConfiguration>] {
        let size = Limit.within(1...1 << 16)
        let sides = Limit<InputSize> {
            try size.check($0, $1.height)
            try size.check($0, $1.width)
        }
        let share = Limit<Double> { flag, value in
            guard value > 0 && value < 1 else {
                throw ValidationError("\(flag) is \(value): it must be above 0 and below 1")
            }
        }
        return [
            FlagBinding(
                "--input-size", \.inputSize, sides,
                apply: { if let size = $0.inputSize { ($1.imageHeight, $1.imageWidth) = (size.height, size.width) } },
                text: { "\($0.imageHeight)x\($0.imageWidth)" }),
            FlagBinding("--patch-size", \.patchSize, \.patchSize, size),
            FlagBinding("--in-chans", \.inChans, \.channels, size),
            FlagBinding("--embed-dim", \.embedDim, \.embedDim, size),
            FlagBinding("--depth", \.depth, \.depth, size),
            FlagBinding("--num-heads", \.numHeads, \.heads, size),
            FlagBinding("--decoder-embed-dim", \.decoderEmbedDim, \.decoderEmbedDim, size),
            FlagBinding("--decoder-depth", \.decoderDepth, \.decoderDepth, size),
            FlagBinding("--decoder-num-heads", \.decoderNumHeads, \.decoderHeads, size),
            FlagBinding("--mlp-ratio", \.mlpRatio, \.mlpRatio, .above(0, most: 64)),
            FlagBinding("--mask-ratio", \.maskRatio, \.maskRatio, share),
            FlagBinding("--norm-pix-loss", \.normPixLoss, \.normPixLoss),
            FlagBinding("--qkv-bias", \.qkvBias, \.qkvBias),
            FlagBinding("--norm-eps", \.normEps, \.normEpsilon, .above(0, most: 1)),
            FlagBinding("--cls-position", \.clsPosition, \.clsPosition),
            FlagBinding("--decoder-embed", \.decoderEmbed, \.decoderEmbed),
            FlagBinding("--decoder-norm", \.decoderNorm, \.decoderNorm),
            FlagBinding("--pos-embed", \.posEmbed, \.positions),
            FlagBinding("--feature", \.feature, \.feature),
        ]
    }
}

/// `224` or `224x192`, height first.
package struct InputSize: ExpressibleByArgument {
    package let height: Int
    package let width: Int

    package init?(argument: String) {
        let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(parts.count), let height = parts[0], let width = parts[parts.count - 1] else {
            return nil
        }
        self.height = height
        self.width = width
    }

    package var defaultValueDescription: String { "\(height)x\(width)" }
}

extension VisionTransformerConfiguration.Positions: ExpressibleByArgument {}
extension VisionTransformerConfiguration.Feature: ExpressibleByArgument {}
