internal import ArgumentParser
package import Settings
package import TrainingRuns

/// Flags that say what pretraining sees of an image.
package struct CropOptions: ParsableArguments {
    @Option(
        help: """
            What is made of an image: mae (a random crop and a flip), crop (a random crop), none (the middle of it).
            """)
    package var augment = DataConfiguration.Augmentation.mae
    @Option(help: "Smallest part of an image's area that a random crop may have: 0.2 in MAE, 0.08 usually.")
    package var cropMin = 0.2

    package init() {}

    package func validate() throws { try checkLimits() }
}

extension CropOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, DataConfiguration>] {
        [
            FlagBinding("--augment", \.augment, \.augmentation),
            FlagBinding("--crop-min", \.cropMin, \.cropMin, .atLeast(1e-4, most: 1)),
        ]
    }
}

extension DataConfiguration.Augmentation: ExpressibleByArgument {}
