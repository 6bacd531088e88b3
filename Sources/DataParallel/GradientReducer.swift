package import Communication
package import Tensors

/// Sums gradients over the ranks in buckets, each sent as soon as backward is done with it.
package final class GradientReducer: InFlight {
    package let layout: BucketLayout
    private let communicator: any Communicator
    /// None if there is one rank.
    private let transport: (any BucketTransport)?
    /// The gradients summed over ranks [1, n], valid after `finish`: all of them, or those of `owned` alone.
    package let gradients: Matrix
    /// What this rank has the sums of, in order.
    package let owned: [Range<Int>]
    /// Elements of each bucket that backward is not done with.
    private var missing: [Int]
    private var departures: [ContinuousClock.Instant]
    /// Told of each bucket: when it left, when its sum was found to be there, its bytes.
    package var onBucket: ((ContinuousClock.Instant, ContinuousClock.Instant, Int) -> Void)?
    private let bytesPerElement: Int
    /// Seconds of the last step in which nothing but communication happened.
    package private(set) var exposedSeconds = 0.0

    package init(
        _ communicator: any Communicator, _ configuration: GradientSumConfiguration, gradients: Matrix, plan: MemoryPlan
    ) {
        let layout = configuration.layout(count: gradients.columns, ranks: communicator.size)
        self.layout = layout
        self.communicator = communicator
        missing = layout.buckets.map(\.count)
        departures = layout.buckets.map { _ in .now }
        owned =
            configuration.owned(count: gradients.columns, rank: communicator.rank, ranks: communicator.size)
            ?? [0..<gradients.columns]
        let algorithm = configuration.resolvedAlgorithm(on: communicator.hostLayout)
        bytesPerElement = algorithm == .allReduce ? 4 : configuration.wire.byteCount
        guard communicator.size > 1 else {
            transport = nil
            self.gradients = gradients
            return
        }
        let transport: any BucketTransport =
            algorithm == .allReduce
            ? AllReduceBuckets(communicator, layout, gradients: gradients, plan: plan)
            : DirectBuckets(
                communicator, layout, gradients: gradients, wire: configuration.wire,
                gathers: !configuration.shardsOptimizer,
                plan: plan)
        self.transport = transport
        self.gradients = transport.sums
    }

    /// Takes a range that backward is done with, and sends the buckets it completes.
    package func ready(_ range: Range<Int>) throws {
        guard let transport else { return }
        for bucket in layout.buckets(of: range) {
            missing[bucket] -= layout.buckets[bucket].clamped(to: range).count
            guard missing[bucket] == 0 else { continue }
            departures[bucket] = .now
            try transport.start(bucket)
        }
    }

    package var isBusy: Bool { transport?.isBusy ?? false }

    package func progress() throws { try transport?.progress(tell) }

    /// Waits for all sums, once in each step. Collective.
    package func finish() throws {
        guard let transport else { return }
        precondition(missing.allSatisfy { $0 == 0 }, "gradients are waited for before backward is done")
        let start = ContinuousClock.now
        try transport.finish(tell)
        for bucket in missing.indices { missing[bucket] = layout.buckets[bucket].count }
        exposedSeconds = (ContinuousClock.now - start) / .seconds(1)
    }

    /// The ranks whose own part of the last step's gradient is not finite, as far as this rank alone can tell.
    package var nonFiniteRanks: Set<Int> {
        transport?.nonFiniteRanks ?? (Operand(gradients).isFinite ? [] : [communicator.rank])
    }

    private func tell(_ bucket: Int) {
        onBucket?(departures[bucket], .now, layout.buckets[bucket].count * bytesPerElement)
    }
}
