internal import Communication
internal import Tensors

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
