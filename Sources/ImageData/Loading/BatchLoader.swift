package import Datasets
internal import Host
package import Tensors

/// Gives a rank its micro-batches in order, prepared ahead on a background thread.
///
/// The batches depend on seed, epoch, step and division alone: neither on timing nor on how many are prepared ahead. One
/// thread at a time may call `next()`.
package final class BatchLoader {
    private let ring: BatchRing
    private var thread: BackgroundThread?
    private let prefetch: Int
    package let division: EpochDivision
    private var taken = 0
    private var stopped = false

    /// - Parameters:
    ///   - repeats: how often the micro-batches of a step are given, all of them each time, with the same images.
    ///   - epoch, step: the first step to give, for a run that is resumed.
    ///   - prefetch: micro-batches prepared ahead; 0 prepares each within `next()`, without a thread.
    ///   - plan: charged with prefetch + 1 batches.
    /// - Throws: if the system refuses the thread.
    package init(
        source: any ImageSource, transform: ImageTransform, division: EpochDivision, repeats: Int = 1, seed: UInt64,
        epoch: Int = 0, step: Int = 0, prefetch: Int = 2, plan: MemoryPlan
    ) throws(ImageDataError) {
        precondition(prefetch >= 0)
        self.prefetch = prefetch
        self.division = division
        let batches = (0...prefetch).map { slot in
            Batch(
                size: division.microBatch, elementCount: transform.elementCount, hasLabels: source.classCount != nil,
                slot: slot, plan: plan)
        }
        let producer = BatchProducer(
            source: source, transform: transform, division: division,
            schedule: BatchSchedule(division, repeats: repeats, epoch: epoch, step: step), seed: seed)
        ring = BatchRing(batches: batches, producer: producer)
        // Batches that are only counted have nothing to be filled.
        if prefetch > 0 && plan.isBacked { thread = try Self.thread(filling: ring) }
    }

    deinit { stop() }

    /// The next micro-batch of this rank; waits until it is ready and gives the one before back to the loader.
    ///
    /// Epochs follow one another without end.
    ///
    /// - Throws: what went wrong on the background thread, once the batches prepared before it are used up, and again
    ///   at each further call.
    package func next() throws(ImageDataError) -> Batch {
        precondition(!stopped, "the loader was stopped")
        let batch = prefetch > 0 ? try ring.take(taken) : try ring.makeNow(taken)
        taken += 1
        return batch
    }

    /// Ends the background thread and waits for it, at most as long as one batch takes. May be called more than once.
    package func stop() {
        stopped = true
        ring.stop()
        thread?.join()
        thread = nil
    }

    private static func thread(filling ring: BatchRing) throws(ImageDataError) -> BackgroundThread {
        do throws(ThreadRefusal) {
            return try BackgroundThread("the thread that prepares batches") { ring.produce() }
        } catch {
            throw .threadRefused(error)
        }
    }
}
