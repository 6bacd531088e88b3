internal import Tensors

/// Which images each batch of a loader has: the order of the epoch, which all threads that prepare batches share. One thread
/// at a time; batches one after another, so that an epoch is shuffled once.
final class BatchContents {
    private let division: EpochDivision
    private let schedule: BatchSchedule
    private var order: EpochOrder

    init(_ division: EpochDivision, _ schedule: BatchSchedule, seed: UInt64) {
        self.division = division
        self.schedule = schedule
        order = EpochOrder(count: division.imageCount, seed: seed, epoch: schedule[0].epoch)
    }

    /// Writes into a batch where it stands, counted from the first one that the schedule has, and which images it has.
    func begin(_ batch: inout Batch, number: Int) {
        let position = schedule[number]
        batch.epoch = position.epoch
        batch.step = position.step
        batch.micro = position.micro
        order.move(to: position.epoch)
        let places = division.positions(step: position.step, micro: position.micro)
        for (row, place) in places.enumerated() { batch.samples[row, 0] = order[place] }
    }
}
