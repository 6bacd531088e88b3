internal import ImageSources
internal import Tensors

/// Prepares any part of any micro-batch of the schedule; what it keeps from one to the next is memory alone. One thread at a
/// time.
final class BatchProducer {
    private let source: any ImageSource
    private let transform: ImageTransform
    private let division: EpochDivision
    private let schedule: BatchSchedule
    private let badImages: BadImages
    private var order: EpochOrder
    private let workspace = AugmentationWorkspace()
    /// Images of the batch that is begun.
    private var coming: [Int] = []

    init(
        source: any ImageSource, transform: ImageTransform, division: EpochDivision, schedule: BatchSchedule,
        badImages: BadImages, seed: UInt64
    ) {
        precondition(division.imageCount == source.count && transform.channels == source.channels)
        self.source = source
        self.transform = transform
        self.division = division
        self.schedule = schedule
        self.badImages = badImages
        order = EpochOrder(count: source.count, seed: seed, epoch: schedule[0].epoch)
    }

    /// Where the batch stands, counted from the first one that the schedule has.
    func place(_ batch: inout Batch, number: Int) {
        let position = schedule[number]
        batch.epoch = position.epoch
        batch.step = position.step
        batch.micro = position.micro
    }

    /// Prepares some images of it.
    func fill(_ batch: Batch, rows: Range<Int>, number: Int) throws(ImageDataError) {
        let position = schedule[number]
        order.move(to: position.epoch)
        let places = division.positions(step: position.step, micro: position.micro)
        if rows.lowerBound == 0 {
            // The whole batch, whoever prepares the rest of it.
            coming.removeAll(keepingCapacity: true)
            for place in places { coming.append(order[place]) }
            source.willRead(&coming)
        }
        for row in rows { try fill(batch, row: row, with: order[places.lowerBound + row]) }
    }

    private func fill(_ batch: Batch, row: Int, with index: Int) throws(ImageDataError) {
        var sample = index
        var random = SampleRandom(seed: order.seed, epoch: order.epoch, sample: index, purpose: .replacement)
        var left = BadImages.attempts
        while true {
            do throws(ImageDataError) {
                try transform.prepare(
                    source, index: sample, seed: order.seed, epoch: order.epoch, workspace: workspace,
                    into: batch.images.rows(row..<row + 1))
                break
            } catch {
                try badImages.note(sample, error)
                left -= 1
                if left == 0 { throw error }
                sample = random.integer(below: source.count)
            }
        }
        if let labels = batch.labels { labels[row, 0] = Int32(source.label(at: sample)) }
        batch.samples[row, 0] = sample
    }
}
