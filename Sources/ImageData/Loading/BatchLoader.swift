internal import Host
package import ImageSources
package import Tensors

/// Gives a rank its micro-batches in order, prepared ahead on background threads.
///
/// The batches depend on seed, epoch, step and division alone: neither on timing nor on how many threads prepare them, nor on
/// how far ahead. One thread at a time may call `next()`.
package final class BatchLoader {
    private let ring: BatchRing
    private var threads: [BackgroundThread] = []
    private let workers: Int
    /// Images that could not be decoded.
    package let badImages: BadImages
    package let division: EpochDivision
    private var taken = 0
    private var stopped = false

    /// - Parameters:
    ///   - repeats: how often the micro-batches of a step are given, all of them each time, with the same images.
    ///   - epoch, step: the first step to give, for a run that is resumed.
    ///   - badImages: what becomes of images that cannot be decoded.
    ///   - workers: threads that prepare micro-batches; with 0, each is prepared within `next()`.
    ///   - prefetch: micro-batches prepared ahead, 1 at least, where there are threads.
    ///   - plan: charged with prefetch + 1 batches.
    /// - Throws: if the system refuses a thread.
    package init(
        source: any ImageSource, transform: ImageTransform, division: EpochDivision, repeats: Int = 1, seed: UInt64,
        badImages: BadImages? = nil, epoch: Int = 0, step: Int = 0, workers: Int = 1, prefetch: Int = 2,
        plan: MemoryPlan
    ) throws(ImageDataError) {
        precondition(workers >= 0 && prefetch >= 1)
        self.workers = workers
        self.division = division
        let badImages = badImages ?? BadImages(.fail, of: source.count)
        self.badImages = badImages
        let batches = (0...(workers > 0 ? prefetch : 0)).map { slot in
            Batch(
                size: division.microBatch, elementCount: transform.elementCount, hasLabels: source.classCount != nil,
                slot: slot, plan: plan)
        }
        let schedule = BatchSchedule(division, repeats: repeats, epoch: epoch, step: step)
        let producers = (0..<max(workers, 1)).map { _ in
            BatchProducer(
                source: source, transform: transform, division: division, schedule: schedule, badImages: badImages,
                seed: seed)
        }
        ring = BatchRing(batches: batches, producers: producers)
        // Batches that are only counted have nothing to be filled.
        if plan.isBacked { for worker in 0..<workers { threads.append(try Self.thread(worker, filling: ring)) } }
    }

    deinit { stop() }

    /// The next micro-batch of this rank; waits until it is ready and gives the one before back to the loader.
    ///
    /// Epochs follow one another without end.
    ///
    /// - Throws: what went wrong on a background thread, once the batches prepared before it are used up, and again
    ///   at each further call.
    package func next() throws(ImageDataError) -> Batch {
        precondition(!stopped, "the loader was stopped")
        let batch = workers > 0 ? try ring.take(taken) : try ring.makeNow(taken)
        taken += 1
        return batch
    }

    /// Ends the background threads and waits for them, at most as long as a few images take. May be called more than once.
    package func stop() {
        stopped = true
        ring.stop()
        for thread in threads { thread.join() }
        threads = []
    }

    private static func thread(_ worker: Int, filling ring: BatchRing) throws(ImageDataError) -> BackgroundThread {
        do throws(ThreadRefusal) {
            return try BackgroundThread("thread \(worker + 1) of those that prepare batches") { ring.produce(worker) }
        } catch {
            throw .threadRefused(error)
        }
    }
}
