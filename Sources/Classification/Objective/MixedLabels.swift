package import ImageData
package import Tensors

/// What the images of a micro-batch are: each of one class, or in part of another.
package struct MixedLabels: Sendable {
    /// [N, 1]
    package let first: IndexMatrix
    /// [N, 1]; that of the first where an image is of one class.
    package let second: IndexMatrix
    /// [N, 1]: the share of the first class; the second has what is left to 1.
    package let weight: Matrix

    /// - Parameter images: N, at most.
    package init(images: Int, plan: MemoryPlan) {
        first = plan.indices(.batches, "first labels", rows: images, columns: 1)
        second = plan.indices(.batches, "second labels", rows: images, columns: 1)
        weight = plan.matrix(.batches, "shares of the first labels", rows: images, columns: 1)
    }

    private init(first: IndexMatrix, second: IndexMatrix, weight: Matrix) {
        self.first = first
        self.second = second
        self.weight = weight
    }

    /// Those of some images.
    package func rows(_ range: Range<Int>) -> MixedLabels {
        MixedLabels(first: first.rows(range), second: second.rows(range), weight: weight.rows(range))
    }

    /// Each image is what it is labelled, [N, 1].
    func take(_ labels: IndexMatrix) {
        first.copy(from: labels)
        second.copy(from: labels)
        weight.fill(1)
    }

    /// The class that an image mostly is.
    func main(of image: Int) -> Int { Int(weight[image, 0] >= 0.5 ? first[image, 0] : second[image, 0]) }
}

/// Changes the images of a micro-batch, and with them what they are, before a classifier sees them: mixup and its kin.
package protocol BatchMixing: AnyObject, Sendable {
    /// Every member of a team calls it, once for each micro-batch, and it returns when all are done.
    ///
    /// What it draws may depend on the seed, and on `batch.epoch`, `batch.step` and `batch.samples` alone.
    ///
    /// - Parameters:
    ///   - batch: whose images are changed in place.
    ///   - labels: of its images, each of one class as it comes; changed as the images are.
    func mix(_ batch: Batch, _ labels: MixedLabels, by member: TeamMember)
}
