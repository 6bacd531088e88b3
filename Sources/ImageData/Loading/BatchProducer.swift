package import Tensors

/// One micro-batch of one rank. Its memory belongs to the loader and is overwritten after the following `next()`.
package struct Batch: Sendable {
    /// [N, channels · height · width], normalised, planar.
    package let images: Matrix
    /// [N, 1]; nil where images have none.
    package let labels: IndexMatrix?
    /// [N, 1]; the numbers of the images in their data set.
    package let samples: MatrixView<Int>
    package fileprivate(set) var epoch = 0
    /// The step within the epoch.
    package fileprivate(set) var step = 0
    /// The micro-batch within the step.
    package fileprivate(set) var micro = 0

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

/// Prepares one micro-batch after another, across epochs without end. One thread at a time.
struct BatchProducer {
    let source: any ImageSource
    let transform: ImageTransform
    let division: EpochDivision
    private var order: EpochOrder
    private let workspace = AugmentationWorkspace()
    private var step: Int
    private var micro = 0
    /// How often each step's micro-batches are given, one after another.
    private let repeats: Int
    private var turn = 0

    init(
        source: any ImageSource, transform: ImageTransform, division: EpochDivision, repeats: Int = 1, seed: UInt64,
        epoch: Int,
        step: Int
    ) {
        self.repeats = repeats
        precondition(division.imageCount == source.count && transform.channels == source.channels)
        precondition(epoch >= 0 && step >= 0 && step <= division.stepsPerEpoch)
        self.source = source
        self.transform = transform
        self.division = division
        // A checkpoint at the end of an epoch may name its last step + 1.
        let finished = step == division.stepsPerEpoch
        order = EpochOrder(count: source.count, seed: seed, epoch: finished ? epoch + 1 : epoch)
        self.step = finished ? 0 : step
    }

    mutating func fill(_ batch: inout Batch) throws(ImageDataError) {
        batch.epoch = order.epoch
        batch.step = step
        batch.micro = micro
        for (row, position) in division.positions(step: step, micro: micro).enumerated() {
            let index = order[position]
            try transform.prepare(
                source, index: index, seed: order.seed, epoch: order.epoch, workspace: workspace,
                into: batch.images.rows(row..<row + 1))
            if let labels = batch.labels { labels[row, 0] = Int32(source.label(at: index)) }
            batch.samples[row, 0] = index
        }
        advance()
    }

    private mutating func advance() {
        micro += 1
        guard micro == division.plan.accumulation else { return }
        micro = 0
        turn += 1
        guard turn == repeats else { return }
        turn = 0
        step += 1
        guard step == division.stepsPerEpoch else { return }
        step = 0
        order.move(to: order.epoch + 1)
    }
}
