package import Communication
package import Tensors

/// Gives every rank the weights that the others updated, bucket by bucket while later buckets are being updated.
package final class WeightGather: InFlight {
    private let communicator: any Communicator
    private let layout: BucketLayout
    private let values: Operand
    private let parts: [RankParts]
    private let slots: [CollectiveSlot]
    /// Seconds of the last step in which nothing but this happened.
    package private(set) var exposedSeconds = 0.0

    /// - Parameter values: [1, n], divided as `layout` says.
    package init(_ communicator: any Communicator, _ layout: BucketLayout, values: Matrix) {
        self.communicator = communicator
        self.layout = layout
        self.values = Operand(values)
        parts = layout.buckets.indices.map { RankParts(layout.parts(within: $0)) }
        slots = layout.buckets.map { _ in CollectiveSlot() }
    }

    /// All ranks start all buckets in the same order.
    package func start(_ bucket: Int) throws {
        guard communicator.size > 1 else { return }
        try communicator.startAllGather(values.columns(layout.buckets[bucket]), parts[bucket], in: slots[bucket])
    }

    package var isBusy: Bool { slots.contains { !$0.isDone } }

    package func progress() throws {
        for slot in slots { try slot.test() }
    }

    package func finish() throws {
        let start = ContinuousClock.now
        for slot in slots { try slot.wait() }
        exposedSeconds = (ContinuousClock.now - start) / .seconds(1)
    }
}
