package import Tensors

/// One micro-batch of one rank. Its memory belongs to the loader and is overwritten after the following `next()`.
package struct Batch: Sendable {
    /// [N, channels · height · width], normalised, planar.
    package let images: Matrix
    /// [N, 1]; nil where images have none.
    package let labels: IndexMatrix?
    /// [N, 1]; the numbers of the images in their data set.
    package let samples: MatrixView<Int>
    package internal(set) var epoch = 0
    /// The step within the epoch.
    package internal(set) var step = 0
    /// The micro-batch within the step.
    package internal(set) var micro = 0

    /// A micro-batch that no loader made.
    package init(
        images: Matrix, labels: IndexMatrix? = nil, samples: MatrixView<Int> = MatrixView(rows: 0, columns: 1),
        epoch: Int = 0, micro: Int
    ) {
        self.images = images
        self.labels = labels
        self.samples = samples
        self.epoch = epoch
        self.micro = micro
    }

    init(size: Int, elementCount: Int, hasLabels: Bool, slot: Int, plan: MemoryPlan) {
        images = plan.matrix(.batches, "images \(slot)", rows: size, columns: elementCount)
        labels = hasLabels ? plan.indices(.batches, "labels \(slot)", rows: size, columns: 1) : nil
        samples = plan.view(.batches, "samples \(slot)", rows: size, columns: 1)
    }

    package var count: Int { images.rows }
}
