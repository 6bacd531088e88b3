import ArgumentParser
import Communication
import Models
import Regularizers
import Settings
import Tensors
import Pretraining
import Runs

/// Flags that say what is trained.
struct ModelOptions: ParsableArguments {
    @Option(help: "Preset: \(ModelPreset.names.joined(separator: ", ")).")
    var model = "mae_vit_micro_patch4"

    @Option(
        name: [.customLong("input-size"), .customLong("img-size")],
        help: "Image size in pixels, a number or HEIGHTxWIDTH (default: the preset's).")
    var inputSize: InputSize?

    @Option(help: "Patch size (default: the preset's, as for all flags of the architecture).") var patchSize: Int?
    @Option(help: "Image channels.") var inChans: Int?
    @Option(help: "Encoder width.") var embedDim: Int?
    @Option(help: "Encoder blocks.") var depth: Int?
    @Option(help: "Encoder heads.") var numHeads: Int?
    @Option(help: "Decoder width.") var decoderEmbedDim: Int?
    @Option(help: "Decoder blocks.") var decoderDepth: Int?
    @Option(help: "Decoder heads.") var decoderNumHeads: Int?
    @Option(help: "Hidden width of the MLPs over the width.") var mlpRatio: Double?
    @Option(help: "Share of patches that is masked.") var maskRatio = 0.75

    @Flag(inversion: .prefixedNo, help: "Reconstruct patches normalised to zero mean and unit variance.")
    var normPixLoss = true

    @Option(help: "Position embeddings: sincos (fixed) or learned (default: the preset's).")
    var posEmbed: VisionTransformerConfiguration.Positions?

    @Option(
        help: """
            Feature of the uniformity loss: cls (class token, final norm applied twice as in the public code), \
            cls-once, pooled.
            """)
    var feature = VisionTransformerConfiguration.Feature.cls

    func validate() throws { try checkLimits() }

    /// The preset with every flag given applied; not yet validated.
    func configuration() throws -> MaskedAutoencoderConfiguration {
        var configuration = try ModelPreset.configuration(named: model)
        apply(to: &configuration)
        return configuration
    }
}

extension ModelOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, MaskedAutoencoderConfiguration>] {
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
            FlagBinding("--pos-embed", \.posEmbed, \.positions),
            FlagBinding("--feature", \.feature, \.feature),
        ]
    }
}

/// Flags that say what is minimised.
struct LossOptions: ParsableArguments {
    @Option(help: "λ, the weight of the uniformity loss.") var lamb = 0.01

    @Option(
        help: """
            Regulariser of the class features: none (MAE), spectral (U-MAE: mean squared similarity over all pairs of \
            the global batch), spectral-offdiagonal (pairs of different images), spectral-centred (features less their \
            mean), tcr (-log det(I + μ/D·ZᵀZ)), vicreg-covariance, uniformity (Wang and Isola) or koleo.
            """)
    var reg = Regularizer.spectral

    @Option(help: "μ of --reg tcr, at most 1e6.") var tcrMu = 1.0
    @Option(help: "t of --reg uniformity.") var uniformityT = 2.0

    @Option(
        help: """
            How features of all ranks come together: gather (all N × D), gram (the D × D sum of products, for \
            regularisers that are a function of it) or auto (gram if N exceeds 2·D).
            """)
    var uniformityExchange = FeatureTransport.auto

    @Option(
        help: """
            With --accum-iter, the features that one is compared with: effective (of the whole effective batch; each \
            micro-batch is encoded twice) or micro (of the same micro-batch, as in the public code).
            """)
    var negatives = Negatives.effective

    @Option(
        help: """
            Gradient of the uniformity loss: exact (of the global loss) or reference (the public code's, divided by \
            the number of ranks).
            """)
    var uniformityGradient = UniformityGradient.exact

    func validate() throws { try checkLimits() }

    func configuration() -> LossConfiguration {
        var configuration = LossConfiguration()
        apply(to: &configuration)
        return configuration
    }
}

extension LossOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, LossConfiguration>] {
        [
            FlagBinding("--lamb", \.lamb, \.lamb, .atLeast(0)), FlagBinding("--reg", \.reg, \.regularizer.kind),
            FlagBinding(
                "--tcr-mu", \.tcrMu, \.regularizer.tcrMu, .above(0, most: 1e6),
                decidesNumbers: { $0.regularizer.kind == .tcr }),
            FlagBinding(
                "--uniformity-t", \.uniformityT, \.regularizer.uniformityT, .above(0),
                decidesNumbers: { $0.regularizer.kind == .uniformity }),
            // The same loss to rounding.
            FlagBinding(
                "--uniformity-exchange", \.uniformityExchange, \.regularizer.transport, decidesNumbers: { _ in false }),
            FlagBinding("--negatives", \.negatives, \.negatives),
            FlagBinding("--uniformity-gradient", \.uniformityGradient, \.uniformityGradient),
        ]
    }
}

/// Flags that say how a rank computes.
struct ComputeOptions: ParsableArguments {
    enum Precision: String, CaseIterable, ExpressibleByArgument {
        case fp32, bf16, auto
    }

    @Option(
        help: """
            Operands of the matrix products; auto is bf16 where every rank's CPU multiplies it in hardware, fp32 \
            elsewhere. Sums, weights, gradients, norms and losses are fp32. (default: auto; debug: fp32)
            """)
    var precision: Precision?

    @Option(help: "Threads of each rank (default: the cores this rank may use over the ranks that share them).")
    var threads: Int?

    @Flag(
        inversion: .prefixedNo,
        help: """
            Keep activations only of the first and the last block of encoder and decoder, and compute the others' \
            again in backward: the same numbers, less memory, a tenth more time.
            """)
    var recomputeActivations = false

    @Option(
        help: """
            Write what every rank did when, and the messages under way meanwhile, to this file (Trace Event Format, for \
            chrome://tracing or Perfetto); of a long run, its last steps.
            """, completion: .file())
    var timeline: String?

    static let threadCount = 1...1024

    mutating func validate() throws {
        // What holds where nothing was given.
        precision = precision ?? .auto
        try Bounds.check("--threads", threads, Self.threadCount)
        try Bounds.check("--stall-timeout", stallTimeout, .atLeast(1), most: 1e6)
    }

    /// What products read, the same on every rank. Collective.
    func element(in world: any Communicator) throws -> ElementType {
        try Self.element(precision ?? .auto, in: world)
    }

    /// Collective.
    static func element(_ chosen: Precision, in world: any Communicator) throws -> ElementType {
        try world.agree {
            guard chosen != .bf16 || VectorKernels.hasFastBFloat16 else {
                throw SettingsError(
                    "--precision bf16 needs a CPU that multiplies bfloat16 (avx512_bf16), and this one, with "
                        + "\(VectorKernels.instructionSet) kernels, does not: use --precision fp32 or auto")
            }
        }
        guard chosen == .auto else { return chosen == .bf16 ? .bfloat16 : .float32 }
        var lacking = [VectorKernels.hasFastBFloat16 ? 0.0 : 1.0]
        try world.allReduce(&lacking, .sum)
        return lacking[0] == 0 ? .bfloat16 : .float32
    }

    @Option(help: "Seconds that a rank may do one thing before the run ends and says which rank did what.")
    var stallTimeout = 600.0

    /// Every rank must call it.
    func watchForStalls(in world: any Communicator) throws {
        try world.agree { try world.watchForStalls(timeout: stallTimeout) }
    }

    /// - Parameter prefetch: micro-batches prepared ahead; nil for as many as is usual.
    func computing(prefetch: Int? = nil) -> ComputeConfiguration {
        var computing = ComputeConfiguration()
        computing.recomputesActivations = recomputeActivations
        computing.timeline = timeline
        computing.prefetch = prefetch ?? computing.prefetch
        return computing
    }

    /// A file that cannot be written, or that is something else, is known before the run and not after it. Collective.
    ///
    /// - Parameter runDirectory: a directory that will be there by then.
    func checkTimeline(in world: any Communicator, besides runDirectory: String? = nil) throws {
        try world.agree {
            guard let timeline, world.rank == 0 else { return }
            try Timeline.examine(timeline, besides: runDirectory)
        }
    }

    /// Collective.
    func team(in world: any Communicator) throws -> Team { try Self.team(threads: threads, in: world) }

    /// Collective.
    static func team(threads: Int?, in world: any Communicator) throws -> Team {
        let allowed = try ProcessorAffinity.threads(world)
        return try world.agree {
            try Team(threads: threads ?? min(max(allowed, threadCount.lowerBound), threadCount.upperBound))
        }
    }
}

extension ComputeOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, StepConfiguration>] {
        // What is asked for is chosen from with all ranks.
        [FlagBinding("--precision", \.precision, text: \.precision.rawValue)]
    }
}

/// `224` or `224x192`, height first.
struct InputSize: ExpressibleByArgument {
    let height: Int
    let width: Int

    init?(argument: String) {
        let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(parts.count), let height = parts[0], let width = parts[parts.count - 1] else {
            return nil
        }
        self.height = height
        self.width = width
    }

    var defaultValueDescription: String { "\(height)x\(width)" }
}

extension VisionTransformerConfiguration.Positions: ExpressibleByArgument {}
extension VisionTransformerConfiguration.Feature: ExpressibleByArgument {}
extension UniformityGradient: ExpressibleByArgument {}
extension FeatureTransport: ExpressibleByArgument {}
extension Negatives: ExpressibleByArgument {}
extension Regularizer: ExpressibleByArgument {}
