internal import Communication
internal import Tensors

/// Buckets that travel: how one is started, and how one finds out that its sum is there.
protocol BucketTransport: AnyObject {
    /// Where the sums are: [1, n].
    var sums: Matrix { get }
    /// Sends a bucket whose gradients are done. All ranks start all buckets in the same order.
    func start(_ bucket: Int) throws
    /// Whether there is anything to let move, or to tell.
    var isBusy: Bool { get }
    /// Lets messages move; calls `done` with each bucket whose sum is there since the last call.
    func progress(_ done: (Int) -> Void) throws
    /// Waits for all.
    func finish(_ done: (Int) -> Void) throws
    /// The ranks whose own terms of the sums are known here, until the next step, not to be finite.
    var nonFiniteRanks: Set<Int> { get }
}

/// One MPI_Iallreduce for each bucket. Sums go to a second buffer: Open MPI serves in-place non-blocking sums with a slow
/// algorithm.
final class AllReduceBuckets: BucketTransport {
    private let communicator: any Communicator
    private let layout: BucketLayout
    private let local: Matrix
    let sums: Matrix
    private let slots: [CollectiveSlot]
    private var flying: [Int] = []

    init(_ communicator: any Communicator, _ layout: BucketLayout, gradients: Matrix, plan: MemoryPlan) {
        self.communicator = communicator
        self.layout = layout
        local = gradients
        sums = plan.matrix(.exchange, "summed gradients", rows: 1, columns: gradients.columns)
        slots = layout.buckets.map { _ in CollectiveSlot() }
        flying.reserveCapacity(slots.count)
    }

    func start(_ bucket: Int) throws {
        let range = layout.buckets[bucket]
        try communicator.startAllReduce(
            send: local.columns(range), receive: sums.columns(range), in: slots[bucket])
        flying.append(bucket)
    }

    var isBusy: Bool { !flying.isEmpty }

    var nonFiniteRanks: Set<Int> { Operand(local).isFinite ? [] : [communicator.rank] }

    func progress(_ done: (Int) -> Void) throws {
        for bucket in flying where try slots[bucket].test() { done(bucket) }
        flying.removeAll { slots[$0].isDone }
    }

    func finish(_ done: (Int) -> Void) throws {
        for bucket in flying {
            try slots[bucket].wait()
            done(bucket)
        }
        flying.removeAll(keepingCapacity: true)
    }
}
