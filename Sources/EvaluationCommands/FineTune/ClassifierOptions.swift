internal import ArgumentParser
internal import Classification
internal import Communication
internal import Host
internal import Models
internal import Options
internal import Settings

/// Flags that say what is fine-tuned.
struct ClassifierOptions: ParsableArguments {
    @Option(help: "Checkpoint to begin with, as the argument.", completion: .directory) var finetune: String?
    @Option(
        help: """
            Preset of the encoder, \(ModelPreset.names.joined(separator: ", ")), also without mae_ (default: the checkpoint's; \
            without one \(Self.presetFromScratch)).
            """)
    var model: String?
    @Option(
        name: [.customLong("input-size"), .customLong("img-size")],
        help: """
            Image size in pixels, a number or HEIGHTxWIDTH (default: the checkpoint's); positions of another size are \
            interpolated.
            """)
    var inputSize: InputSize?
    @Option(help: "Patch size, as all of the shape only without a checkpoint (default: the preset's).") var patchSize:
        Int?
    @Option(help: "Width.") var embedDim: Int?
    @Option(help: "Blocks.") var depth: Int?
    @Option(help: "Heads.") var numHeads: Int?
    @Option(help: "Hidden width of the MLPs over the width.") var mlpRatio: Double?
    @Flag(inversion: .prefixedNo, help: "Biases of queries, keys and values.") var qkvBias: Bool?
    @Option(help: "ε of the norms.") var normEps: Double?
    @Flag(inversion: .prefixedNo, help: "A position of the class token.") var clsPosition: Bool?
    @Option(help: "Share of images for which a branch of the last block is left out; less in the blocks before.")
    var dropPath = 0.1
    @Flag(inversion: .prefixedNo, help: "Classify the mean of the patch tokens.") var globalPool = true
    @Flag(inversion: .prefixedNo, help: "Classify the class token.") var clsToken = false
    @Option(help: "Classes: a run on images of another number of them is refused (default: those of the images).")
    var nbClasses: Int?

    private static var presetFromScratch: String { "mae_vit_micro_patch4" }

    init() {}

    func validate() throws { try checkLimits() }

    /// The encoder as far as it is known without the images.
    ///
    /// - Parameter encoder: that of a checkpoint; nil from scratch.
    func shape(of encoder: VisionTransformerConfiguration?) throws -> VisionTransformerConfiguration {
        var configuration = ClassifierConfiguration(
            of: try encoder ?? preset(model ?? Self.presetFromScratch), classes: 1)
        apply(to: &configuration)
        return configuration.encoder
    }

    /// The classifier, validated.
    ///
    /// - Parameters:
    ///   - encoder: that of a checkpoint; nil from scratch.
    ///   - channels, classes: of the images.
    func configuration(
        of encoder: VisionTransformerConfiguration?, channels: Int, classes: Int
    ) throws -> ClassifierConfiguration {
        let preset = try model.map { try self.preset($0) }
        let shape = try encoder ?? preset ?? self.preset(Self.presetFromScratch)
        var configuration = ClassifierConfiguration(of: shape, classes: classes)
        if encoder == nil { configuration.channels = channels }
        let own = configuration
        apply(to: &configuration)
        if encoder != nil {
            try refuseShape(configuration, of: own)
            if let preset, (preset.embedDim, preset.depth, preset.heads) != (own.embedDim, own.depth, own.heads) {
                throw SettingsError(
                    "--model is \(model ?? ""), \(preset.depth) blocks of width \(preset.embedDim), and the checkpoint's encoder "
                        + "has \(own.depth) of width \(own.embedDim): leave the flag out")
            }
        }
        guard own.channels == channels else {
            throw SettingsError(
                "the checkpoint's encoder sees \(counted(own.channels, "channel")), and the images have \(channels): give "
                    + "others with --data-path")
        }
        if let nbClasses, nbClasses != classes {
            throw SettingsError("--nb-classes is \(nbClasses), and the images are of \(classes) classes")
        }
        try configuration.validate()
        return configuration
    }

    private func preset(_ name: String) throws -> VisionTransformerConfiguration {
        try ModelPreset.configuration(named: name.hasPrefix("vit_") ? "mae_\(name)" : name).encoder
    }

    /// An encoder has the shape that it was pretrained with.
    private func refuseShape(_ asked: ClassifierConfiguration, of own: ClassifierConfiguration) throws {
        let pairs = zip(Self.settings(of: asked), Self.settings(of: own))
        if let (new, old) = pairs.first(where: { Self.shapeFlags.contains($0.flag) && $0 != $1 }) {
            throw SettingsError(
                "\(new.flag) is \(new.value), and the checkpoint's encoder has \(old.value): leave the flag out")
        }
    }

    private static let shapeFlags: Set<String> = [
        "--patch-size", "--embed-dim", "--depth", "--num-heads", "--mlp-ratio", "--qkv-bias", "--norm-eps",
        "--cls-position",
    ]
}

extension ClassifierOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, ClassifierConfiguration>] {
        let size = Limit.within(1...1 << 16)
        let sides = Limit<InputSize> {
            try size.check($0, $1.height)
            try size.check($0, $1.width)
        }
        return [
            FlagBinding(
                "--input-size", \.inputSize, sides,
                apply: { if let size = $0.inputSize { ($1.imageHeight, $1.imageWidth) = (size.height, size.width) } },
                text: { "\($0.imageHeight)x\($0.imageWidth)" }),
            FlagBinding("--patch-size", \.patchSize, \.patchSize, size),
            FlagBinding("channels", text: { "\($0.channels)" }),
            FlagBinding("--embed-dim", \.embedDim, \.embedDim, size),
            FlagBinding("--depth", \.depth, \.depth, size),
            FlagBinding("--num-heads", \.numHeads, \.heads, size),
            FlagBinding("--mlp-ratio", \.mlpRatio, \.mlpRatio, .above(0, most: 64)),
            FlagBinding("--qkv-bias", \.qkvBias, \.qkvBias),
            FlagBinding("--norm-eps", \.normEps, \.normEpsilon, .above(0, most: 1)),
            FlagBinding("--cls-position", \.clsPosition, \.clsPosition),
            FlagBinding("--drop-path", \.dropPath, \.dropPath, .atLeast(0, most: 0.99)),
            FlagBinding(
                "--global-pool", \.globalPool,
                apply: { $1.pooling = $0.globalPool && !$0.clsToken ? .mean : .cls },
                text: { "\($0.pooling == .mean)" }),
            FlagBinding("--cls-token", \.clsToken, text: { "\($0.pooling == .cls)" }),
            FlagBinding("--nb-classes", \.nbClasses, .within(Bounds.count), text: { "\($0.classes)" }),
        ]
    }
}
