internal import ArgumentParser
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

    init() {}

    func validate() throws { try checkLimits() }
}

extension FineTuneAugmentOptions: ConfiguringOptions {
    static var bindings: [FlagBinding<Self, DataConfiguration>] {
        [
            FlagBinding("--augment", \.augment, \.augmentation),
            FlagBinding("--crop-min", \.cropMin, \.cropMin, .atLeast(1e-4, most: 1)),
        ]
    }
}
