internal import CVectorKernels
internal import Communication
internal import Tensors

/// Buckets that every rank adds up a part of: R - 1 ranks send it theirs, the terms are added in a tree over the ranks
/// whatever the bucket's size, and the sum goes back to all, or stays where the optimizer wants it.
///
/// Sums replace the rank's own gradients.
final class DirectBuckets: BucketTransport {
    private let communicator: any Communicator
    private let layout: BucketLayout
    let sums: Matrix
    private let gathers: Bool
    private let wire: ElementType
    /// What is sent and gathered: `sums` itself, or its roundings.
    private let sent: Operand
    private let received: Operand
    private let buckets: [Bucket]
    /// The buckets under way, in the order in which they were started, and how many of them are summed and handed back.
    private var started: [Int] = []
    private var summed = 0
    private var returned = 0

    private struct Bucket {
        let range: Range<Int>
        let own: Range<Int>
        /// Where in `received` the terms of the other ranks arrive.
        let arrivals: Range<Int>
        /// What this rank sends to each other rank, relative to `range`, and what it receives from each, relative to
        /// `arrivals`.
        let sendParts: RankParts
        let receiveParts: RankParts
        /// All parts, relative to `range`.
        let parts: RankParts
        let scatter = CollectiveSlot()
        let gather = CollectiveSlot()
    }

    init(
        _ communicator: any Communicator, _ layout: BucketLayout, gradients: Matrix, wire: ElementType, gathers: Bool,
        plan: MemoryPlan
    ) {
        self.communicator = communicator
        self.layout = layout
        self.wire = wire
        self.gathers = gathers
        sums = gradients
        let (rank, ranks) = (communicator.rank, communicator.size)
        var end = 0
        buckets = layout.buckets.indices.map { bucket in
            let range = layout.buckets[bucket]
            let own = layout.part(of: bucket, rank: rank)
            let parts = layout.parts(within: bucket)
            let toOthers = parts.enumerated().map { $0 == rank ? $1.lowerBound..<$1.lowerBound : $1 }
            let fromOthers = (0..<ranks).map { other in
                let place = (other < rank ? other : other - 1) * own.count
                return other == rank ? 0..<0 : place..<place + own.count
            }
            let arrivals = end..<end + (ranks - 1) * own.count
            end = arrivals.upperBound
            return Bucket(
                range: range, own: own, arrivals: arrivals, sendParts: RankParts(toOthers),
                receiveParts: RankParts(fromOthers), parts: RankParts(parts))
        }
        sent =
            wire == .float32
            ? Operand(gradients) : plan.operand(.exchange, "rounded gradients", rows: 1, columns: layout.count, wire)
        received = plan.operand(.exchange, "received gradients", rows: 1, columns: end, wire)
        started.reserveCapacity(buckets.count)
    }

    func start(_ bucket: Int) throws {
        let b = buckets[bucket]
        if wire != .float32 { sent.columns(b.range).convert(from: sums.columns(b.range)) }
        try communicator.startAllToAll(
            send: sent.columns(b.range), b.sendParts, receive: received.columns(b.arrivals), b.receiveParts,
            in: b.scatter)
        started.append(bucket)
    }

    var isBusy: Bool { returned < started.count }

    /// What the others sent is still there; the own terms have become sums.
    var nonFiniteRanks: Set<Int> {
        var ranks: Set<Int> = []
        for b in buckets where !b.own.isEmpty {
            let arrivals = received.columns(b.arrivals)
            let others = (0..<communicator.size).filter { $0 != communicator.rank }
            let spoiled = others.enumerated().filter { place, _ in
                !arrivals.columns(place * b.own.count..<(place + 1) * b.own.count).isFinite
            }.map(\.element)
            ranks.formUnion(spoiled)
            if spoiled.isEmpty && !Operand(sums.columns(b.own)).isFinite { ranks.insert(communicator.rank) }
        }
        return ranks
    }

    func progress(_ done: (Int) -> Void) throws { try advance(waiting: false, done) }

    func finish(_ done: (Int) -> Void) throws {
        try advance(waiting: true, done)
        started.removeAll(keepingCapacity: true)
        (summed, returned) = (0, 0)
    }

    private func advance(waiting: Bool, _ done: (Int) -> Void) throws {
        // Sums are handed back in the order in which buckets were started, which all ranks share.
        while summed < started.count {
            let b = buckets[started[summed]]
            if waiting { try b.scatter.wait() } else if !(try b.scatter.test()) { break }
            sum(b)
            if gathers { try communicator.startAllGather(sent.columns(b.range), b.parts, in: b.gather) }
            summed += 1
        }
        while returned < summed {
            let b = buckets[started[returned]]
            if gathers {
                if waiting { try b.gather.wait() } else if !(try b.gather.test()) { break }
                if wire != .float32 { sent.columns(b.range).widen(into: sums.columns(b.range)) }
            }
            done(started[returned])
            returned += 1
        }
    }

    private func sum(_ b: Bucket) {
        guard !b.own.isEmpty else { return }
        let own = sums.columns(b.own)
        let arrivals = received.columns(b.arrivals)
        unsafe umae_sum_terms(
            umae_type(wire.kernelCode), arrivals.pointer, own.count, own.pointer, communicator.rank,
            communicator.size, own.pointer, own.count)
        // What the others are given must be what this rank keeps.
        if gathers && wire != .float32 { sent.columns(b.own).convert(from: own) }
    }
}
