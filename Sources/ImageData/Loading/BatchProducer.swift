internal import Datasets
internal import Tensors

/// Prepares any micro-batch of the schedule; what it keeps from one to the next is memory alone. One thread at a time.
struct BatchProducer {
    private let source: any ImageSource
    private let transform: ImageTransform
    private let division: EpochDivision
    private let schedule: BatchSchedule
    private var order: EpochOrder
    private let workspace = AugmentationWorkspace()

    init(
        source: any ImageSource, transform: ImageTransform, division: EpochDivision, schedule: BatchSchedule,
        seed: UInt64
    ) {
        precondition(division.imageCount == source.count && transform.channels == source.channels)
        self.source = source
        self.transform = transform
        self.division = division
        self.schedule = schedule
        order = EpochOrder(count: source.count, seed: seed, epoch: schedule[0].epoch)
    }

    /// - Parameter number: of the batch, counted from the first one that the schedule has.
    mutating func fill(_ batch: inout Batch, number: Int) throws(ImageDataError) {
        let position = schedule[number]
        order.move(to: position.epoch)
        batch.epoch = position.epoch
        batch.step = position.step
        batch.micro = position.micro
        for (row, place) in division.positions(step: position.step, micro: position.micro).enumerated() {
            let index = order[place]
            try transform.prepare(
                source, index: index, seed: order.seed, epoch: order.epoch, workspace: workspace,
                into: batch.images.rows(row..<row + 1))
            if let labels = batch.labels { labels[row, 0] = Int32(source.label(at: index)) }
            batch.samples[row, 0] = index
        }
    }
}
