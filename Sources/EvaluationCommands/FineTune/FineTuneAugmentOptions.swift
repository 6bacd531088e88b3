internal import ArgumentParser
internal import Augmentation
internal import FineTuning
internal import Options
internal import Settings
internal import TrainingRuns

/// Flags that say what is made of training images and their labels.
struct FineTuneAugmentOptions: ParsableArguments {
    @Option(
        help: """
            What is taken of an image: mae (a random crop and a flip), crop (a random crop), none (the middle of it).
            """)
    var augment = DataConfiguration.Augmentation.mae
    @Option(help: "Smallest part of an image's area that a random crop may have.") var cropMin = 0.08
    @Option(help: "RandAugment in timm's words, or none.") var aa = "rand-m9-mstd0.5-inc1"
    @Option(help: "Strength of color jitter, with --aa none alone (default: none).") var colorJitter: Double?
    @Option(help: "Probability of random erasing.") var reprob = 0.25
    @Option(help: "What is put in the place of what is erased: const (the mean), rand (a colour), pixel (noise).")
    var remode = RandomErasing.Mode.pixel
    @Option(help: "Rectangles that are erased, at most.") var recount = 1
    @Flag(inversion: .prefixedNo, help: "No effect, as in main_finetune.py.") var resplit = false
    @Option(help: "α of mixup; 0 for none.") var mixup = 0.0
    @Option(help: "α of CutMix; 0 for none.") var cutmix = 0.0
    @Option(help: "Least and largest side of CutMix's patches over the image's, 0.2,0.8 (default: as shares have it).")
    var cutmixMinmax: SideRange?
    @Option(help: "Probability of mixing.") var mixupProb = 1.0
    @Option(help: "Probability of CutMix where there is mixup too.") var mixupSwitchProb = 0.5
    @Option(help: "What is mixed alike: batch (of a rank), pair, elem (each image by itself).")
    var mixupMode = Mixing.Mode.batch

    init() {}

    func validate() throws { try checkLimits() }
}

extension FineTuneAugmentOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, FineTuneConfiguration>] {
        let policy = Limit<String> { flag, text in
            do { if text != "none" { _ = try RandAugment(text) } } catch {
                throw ValidationError("\(flag): \(error)")
            }
        }
        let share = Limit<Double>.atLeast(0, most: 1)
        return [
            FlagBinding("--augment", \.augment, \.data.augmentation),
            FlagBinding("--crop-min", \.cropMin, \.data.cropMin, .atLeast(1e-4, most: 1)),
            FlagBinding(
                "--aa", \.aa, policy, apply: { $1.augmentation.policy = $0.aa == "none" ? nil : $0.aa },
                text: { $0.augmentation.policy ?? "none" }),
            FlagBinding(
                "--color-jitter", \.colorJitter, .above(0, most: 100),
                apply: { $1.augmentation.jitter = $0.colorJitter },
                text: { $0.augmentation.jitter.map { "\($0)" } ?? "none" }),
            FlagBinding("--reprob", \.reprob, \.augmentation.erasing, share),
            FlagBinding("--remode", \.remode, \.augmentation.erasingMode),
            FlagBinding("--recount", \.recount, \.augmentation.erasingCount, .within(1...1000)),
            FlagBinding("--mixup", \.mixup, \.augmentation.mixup, .atLeast(0, most: 1e6)),
            FlagBinding("--cutmix", \.cutmix, \.augmentation.cutmix, .atLeast(0, most: 1e6)),
            FlagBinding(
                "--cutmix-minmax", \.cutmixMinmax,
                apply: { $1.augmentation.cutmixRange = $0.cutmixMinmax?.values },
                text: { $0.augmentation.cutmixRange.map { SideRange(values: $0).defaultValueDescription } ?? "none" }),
            FlagBinding("--mixup-prob", \.mixupProb, \.augmentation.mixingProbability, share),
            FlagBinding("--mixup-switch-prob", \.mixupSwitchProb, \.augmentation.switchProbability, share),
            FlagBinding("--mixup-mode", \.mixupMode, \.augmentation.mixingMode),
        ]
    }
}

/// `0.2,0.8`
struct SideRange: ExpressibleByArgument {
    let values: [Double]

    init(values: [Double]) { self.values = values }

    init?(argument: String) {
        values = argument.split(separator: ",").compactMap { Double($0) }
        guard values.count == 2, values[0] >= 0, values[0] <= values[1], values[1] <= 1 else { return nil }
    }

    var defaultValueDescription: String { values.map { "\($0)" }.joined(separator: ",") }
}

extension Mixing.Mode: ExpressibleByArgument {}
extension RandomErasing.Mode: ExpressibleByArgument {}
