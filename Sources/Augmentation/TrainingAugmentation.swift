/// All that happens to an image of a training set before a model sees it.
package struct TrainingAugmentation: Hashable, Sendable {
    /// Its crop and flip.
    package var part: ImageAugmentation
    /// What is done to its bytes.
    package var bytes: ByteAugmentation
    /// What is done once it is normalised.
    package var erasing: RandomErasing?

    package init(_ part: ImageAugmentation, bytes: ByteAugmentation = .none, erasing: RandomErasing? = nil) {
        self.part = part
        self.bytes = bytes
        self.erasing = erasing
    }
}
