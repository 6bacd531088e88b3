internal import ArgumentParser
internal import FineTuning
internal import Settings

/// Flags that say how a pretrained encoder is changed.
struct TuningOptions: ParsableArguments {
    @Option(help: "Factor of the learning rate from a layer to the one before; 1 for one rate of all.")
    var layerDecay = 0.65
    @Option(help: "Share of each target that all classes have alike.") var smoothing = 0.1
    @Flag(inversion: .prefixedNo, help: "Keep an exponential moving average of the weights, and test it too.")
    var modelEma = false
    @Option(help: "What of that average an update leaves.") var modelEmaDecay = 0.9999

    init() {}

    func validate() throws { try checkLimits() }
}

extension TuningOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, ClassificationSettings>] {
        [
            FlagBinding("--layer-decay", \.layerDecay, \.layerDecay, .above(0, most: 1)),
            FlagBinding("--smoothing", \.smoothing, \.smoothing, .atLeast(0, most: 0.99)),
            FlagBinding(
                "--model-ema", \.modelEma, apply: { $1.averageDecay = $0.modelEma ? $0.modelEmaDecay : nil },
                text: { "\($0.averageDecay != nil)" }),
            FlagBinding(
                "--model-ema-decay", \.modelEmaDecay, .atLeast(0, most: 0.999_999),
                text: { $0.averageDecay.map { "\($0)" } ?? "none" }),
        ]
    }
}
