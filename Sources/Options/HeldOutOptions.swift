package import ArgumentParser
internal import Settings

/// Flags that say when a run looks at what its features are worth on images that it is not trained on.
package struct HeldOutOptions: ParsableArguments {
    @Option(
        help: """
            Epochs between looks at what the features are worth on the test images, linearly and by k-NN; the last epoch \
            ends with one in any case; 0 for none (default: after the last epoch, if there are labelled test images).
            """)
    package var evalEvery: Int?
    @Option(help: "Training images that such a look takes features of, at most.") package var evalImages = 60_000

    package init() {}

    package func validate() throws {
        try Bounds.check("--eval-every", evalEvery, 0...Bounds.count.upperBound)
        try Bounds.check("--eval-images", evalImages, Bounds.count)
    }
}
