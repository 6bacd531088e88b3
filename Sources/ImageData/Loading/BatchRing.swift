internal import Host
internal import ImageSources

/// The batches between the threads that prepare them and the one that uses them, in order, without allocation.
///
/// Threads take a few images of the next unfinished batch at a time, so that all of them work on what is wanted first and a
/// ring of few batches serves any number of threads.
@safe
final class BatchRing: @unchecked Sendable {
    /// One batch, written by preparing threads until all its images are counted, and then read by the consumer.
    private final class Slot {
        var batch: Batch
        /// Images that are prepared.
        var prepared = 0
        init(_ batch: Batch) { self.batch = batch }
    }

    /// Some images of a batch.
    private struct Task {
        let number: Int
        let rows: Range<Int>
    }

    private let slots: [Slot]
    /// One for each thread, or one for the consumer where there is none.
    private let producers: [BatchProducer]
    /// The batch of which images are to be prepared next, and the first of them.
    private var next = (number: 0, row: 0)
    /// Batches before it are given back.
    private var released = 0
    /// The first image that could not be prepared.
    private var failure: (number: Int, row: Int, error: ImageDataError)?
    private var stopping = false
    /// Signalled when a batch was prepared or given back.
    private let changed = ConditionLock()

    /// Images that a thread takes at a time: enough for the lock to cost nothing, few enough for all to end together.
    private static var imagesAtATime: Int { 4 }

    init(batches: [Batch], producers: [BatchProducer]) {
        self.slots = batches.map(Slot.init)
        self.producers = producers
    }

    /// Prepares images until stopped or until one cannot be: the body of a background thread.
    func produce(_ worker: Int) {
        while let task = nextTask() {
            do throws(ImageDataError) {
                try producers[worker].fill(slot(task.number).batch, rows: task.rows, number: task.number)
                finish(task, nil)
            } catch {
                finish(task, error)
            }
        }
    }

    /// The batch `number` batches after the first, waiting for it; all earlier ones are given back.
    func take(_ number: Int) throws(ImageDataError) -> Batch {
        changed.lock()
        defer { changed.unlock() }
        released = number
        changed.broadcast()
        while !isPrepared(number) {
            // What was ready before the failure is still good.
            if let failure, failure.number <= number { throw failure.error }
            changed.wait()
        }
        return slot(number).batch
    }

    /// The same on the calling thread, where there is no other.
    func makeNow(_ number: Int) throws(ImageDataError) -> Batch {
        if let failure { throw failure.error }
        let slot = slot(number)
        producers[0].place(&slot.batch, number: number)
        do throws(ImageDataError) {
            try producers[0].fill(slot.batch, rows: 0..<slot.batch.count, number: number)
        } catch {
            failure = (number, 0, error)
            throw error
        }
        return slot.batch
    }

    func stop() {
        changed.lock()
        stopping = true
        changed.broadcast()
        changed.unlock()
    }

    private func slot(_ number: Int) -> Slot { slots[number % slots.count] }

    private func isPrepared(_ number: Int) -> Bool {
        number < next.number && slot(number).prepared == slot(number).batch.count
    }

    /// The next images to prepare, once there is a slot for their batch; nil when stopped, and once one could not be.
    private func nextTask() -> Task? {
        changed.lock()
        defer { changed.unlock() }
        while next.number - released >= slots.count && !stopping && failure == nil { changed.wait() }
        guard !stopping && failure == nil else { return nil }
        let slot = slot(next.number)
        if next.row == 0 {
            slot.prepared = 0
            producers[0].place(&slot.batch, number: next.number)
        }
        let end = min(next.row + Self.imagesAtATime, slot.batch.count)
        let task = Task(number: next.number, rows: next.row..<end)
        next = end == slot.batch.count ? (next.number + 1, 0) : (next.number, end)
        return task
    }

    private func finish(_ task: Task, _ error: ImageDataError?) {
        changed.lock()
        defer { changed.unlock() }
        if let error {
            // The first in order, whichever thread comes first; the others had taken theirs before.
            let isFirst = failure.map { (task.number, task.rows.lowerBound) < ($0.number, $0.row) } ?? true
            if isFirst { failure = (task.number, task.rows.lowerBound, error) }
            changed.broadcast()
            return
        }
        let slot = slot(task.number)
        slot.prepared += task.rows.count
        if slot.prepared == slot.batch.count { changed.broadcast() }
    }
}
