package import Communication
package import Tensors

/// Sums gradients over the ranks in buckets, each sent as soon as backward is done with it.
///
/// Buckets are ranges of the one gradient buffer. Each is summed into a second buffer: Open MPI serves in-place
/// non-blocking sums with a slow algorithm.
package final class GradientReducer {
    private let communicator: any Communicator
    private let local: Matrix
    private let summed: Matrix
    private var slots: [CollectiveSlot] = []
    /// When each slot's message left, and whether its end was told.
    private var departures: [(start: ContinuousClock.Instant, bytes: Int, told: Bool)] = []
    /// Told of each bucket: when it left, when its sum was found to be there, its bytes.
    package var onBucket: ((ContinuousClock.Instant, ContinuousClock.Instant, Int) -> Void)?
    private var used = 0
    /// What backward has finished but no bucket carries yet; grows downwards.
    private var waiting: Range<Int>?
    private let bucketElements: Int
    /// Seconds of the last step in which nothing but communication happened.
    package private(set) var exposedSeconds = 0.0

    /// - Parameter bucketBytes: a bucket leaves when it holds at least this much.
    package init(
        _ communicator: any Communicator, gradients: Matrix, bucketBytes: Int = 8 << 20, plan: MemoryPlan
    ) {
        self.communicator = communicator
        local = gradients
        bucketElements = bucketBytes / MemoryLayout<Float>.stride
        summed =
            communicator.size == 1
            ? gradients : plan.matrix(.exchange, "summed gradients", rows: 1, columns: gradients.columns)
        let buckets = communicator.size == 1 ? 0 : 2 + gradients.columns / bucketElements
        slots = (0..<buckets).map { _ in CollectiveSlot() }
        departures = [(ContinuousClock.Instant, Int, Bool)](repeating: (.now, 0, false), count: buckets)
    }

    /// The gradient of the global loss [1, n], valid after `finish`.
    package var gradients: Matrix { summed }

    /// Takes a finished range, adjoining the one before it or not, and sends what has become a full bucket.
    package func ready(_ range: Range<Int>) throws {
        guard communicator.size > 1 else { return }
        if let held = waiting {
            if range.upperBound == held.lowerBound {
                waiting = range.lowerBound..<held.upperBound
            } else {
                try send(held)
                waiting = range
            }
        } else {
            waiting = range
        }
        if let held = waiting, held.count >= bucketElements {
            waiting = nil
            try send(held)
        }
        // Open MPI makes progress only inside its calls.
        for index in 0..<used where try slots[index].test() { tell(index) }
    }

    private func tell(_ index: Int) {
        guard let onBucket, !departures[index].told else { return }
        departures[index].told = true
        onBucket(departures[index].start, .now, departures[index].bytes)
    }

    /// Sends what is left and waits for all sums. Collective.
    package func finish() throws {
        guard communicator.size > 1 else { return }
        if let held = waiting {
            waiting = nil
            try send(held)
        }
        let clock = ContinuousClock()
        let start = clock.now
        for index in 0..<used {
            try slots[index].wait()
            tell(index)
        }
        used = 0
        exposedSeconds = (clock.now - start) / .seconds(1)
    }

    private func send(_ range: Range<Int>) throws {
        if used == slots.count {
            slots.append(CollectiveSlot())
            departures.append((.now, 0, false))
        }
        departures[used] = (.now, range.count * MemoryLayout<Float>.stride, false)
        let slot = slots[used]
        used += 1
        try communicator.startAllReduce(send: local.columns(range), receive: summed.columns(range), in: slot)
    }
}
