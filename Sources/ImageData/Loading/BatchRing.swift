internal import Datasets
internal import Host

/// The batches between the thread that prepares them and the one that uses them, in order, without allocation.
@safe
final class BatchRing: @unchecked Sendable {
    /// One batch, written by the preparing thread while it fills it, read by the consumer once it is counted.
    private final class Slot {
        var batch: Batch
        init(_ batch: Batch) { self.batch = batch }
    }

    private let slots: [Slot]
    /// Used by the preparing thread alone.
    private var producer: BatchProducer
    private var prepared = 0
    private var released = 0
    private var failure: ImageDataError?
    private var stopping = false
    /// Signalled when a batch was prepared or given back.
    private let changed = ConditionLock()

    init(batches: [Batch], producer: BatchProducer) {
        self.slots = batches.map(Slot.init)
        self.producer = producer
    }

    /// Fills free slots until stopped or until a batch cannot be prepared: the body of the background thread.
    func produce() {
        while let number = nextFree() {
            do throws(ImageDataError) {
                try fill(number)
                finish(nil)
            } catch {
                return finish(error)
            }
        }
    }

    /// The batch `number` batches after the first, waiting for it; all earlier ones are given back.
    func take(_ number: Int) throws(ImageDataError) -> Batch {
        changed.lock()
        defer { changed.unlock() }
        released = number
        changed.signal()
        while prepared <= number && failure == nil { changed.wait() }
        // What was ready before the failure is still good.
        if prepared <= number, let failure { throw failure }
        return slot(number).batch
    }

    /// The same on the calling thread, where there is no other.
    func makeNow(_ number: Int) throws(ImageDataError) -> Batch {
        if let failure { throw failure }
        do throws(ImageDataError) {
            try fill(number)
        } catch {
            failure = error
            throw error
        }
        return slot(number).batch
    }

    func stop() {
        changed.lock()
        stopping = true
        changed.signal()
        changed.unlock()
    }

    private func slot(_ number: Int) -> Slot { slots[number % slots.count] }

    private func fill(_ number: Int) throws(ImageDataError) {
        try producer.fill(&slot(number).batch, number: number)
    }

    /// The next batch to prepare, once there is a slot for it; nil when stopped.
    private func nextFree() -> Int? {
        changed.lock()
        defer { changed.unlock() }
        while prepared - released >= slots.count && !stopping { changed.wait() }
        return stopping ? nil : prepared
    }

    private func finish(_ error: ImageDataError?) {
        changed.lock()
        if let error { failure = error } else { prepared += 1 }
        changed.signal()
        changed.unlock()
    }
}
