/// The algorithms by which Open MPI 4.1 sums a message over all ranks, and which of them it takes.
package enum SumAlgorithm: String, Equatable, Sendable {
    /// Up a binomial tree to rank 0 and down again: the whole message, 2·⌈log₂ p⌉ times one after another.
    case binomialTree = "binomial tree"
    /// Halves to the neighbour, quarters to the next but one and so on, then the same way back (Rabenseifner 2004).
    case rabenseifner
    /// p parts, each passed around the ring twice.
    case ring
    /// The whole message exchanged with the partner at distance 1, 2, 4, …
    case recursiveDoubling = "recursive doubling"

    /// What MPI_Iallreduce takes for separate buffers and a commutative operation: `nbc_allreduce_init` in
    /// ompi/mca/coll/libnbc/nbc_iallreduce.c of Open MPI 4.1 (coll_libnbc_iallreduce_algorithm 0).
    package static func nonBlocking(ranks: Int, elements: Int, bytesPerElement: Int = 4) -> SumAlgorithm {
        if ranks < 4 || elements * bytesPerElement < 65536 { return .binomialTree }
        return elements >= powerOfTwo(atMost: ranks) ? .rabenseifner : .ring
    }

    /// What MPI_Allreduce takes for fewer than 64 bytes of fewer elements than ranks, or for a few elements on few ranks:
    /// `ompi_coll_tuned_allreduce_intra_dec_fixed` in ompi/mca/coll/tuned/coll_tuned_decision_fixed.c of Open MPI 4.1.
    ///
    /// From 128 ranks on that is a reduction and then a broadcast, for such messages along trees of this depth; where the
    /// table asks for a ring, that falls back to recursive doubling for fewer elements than ranks.
    package static func blockingSmall(ranks: Int) -> SumAlgorithm { ranks < 128 ? .recursiveDoubling : .binomialTree }

    /// The rounds on `ranks` ranks, `ranksPerNode` of which share a node; none on one rank.
    package func rounds(ranks: Int, ranksPerNode: Int) -> [CollectiveRound] {
        guard ranks > 1 else { return [] }
        let network = RankPlaces(ranks: ranks, ranksPerNode: ranksPerNode)
        switch self {
        case .binomialTree: return network.binomialTree
        case .rabenseifner: return network.rabenseifner
        case .ring:
            let step = network.round { tally in
                for rank in 0..<ranks { tally.send(1 / Double(ranks), from: rank, to: (rank + 1) % ranks) }
            }
            return [CollectiveRound](repeating: step, count: 2 * (ranks - 1))
        case .recursiveDoubling: return network.recursiveDoubling
        }
    }

    static func powerOfTwo(atMost number: Int) -> Int { 1 << (Int.bitWidth - 1 - number.leadingZeroBitCount) }
}

/// MPI_Iallgather as Open MPI 4.1 does it (linear: ompi/mca/coll/libnbc/nbc_iallgather.c): every rank sends its part to
/// every other, all at once. The message is one rank's part.
package enum LinearGather {
    package static func rounds(ranks: Int, ranksPerNode: Int) -> [CollectiveRound] {
        guard ranks > 1 else { return [] }
        let others = ranks - 1
        return [
            CollectiveRound(
                link: Double(ranksPerNode * (ranks - ranksPerNode)), received: Double(others),
                meanReceived: Double(others), messages: others, meanMessages: Double(others))
        ]
    }
}

/// `--gradient-exchange direct`: every rank sends each other its part of the message, all at once (MPI_Ialltoallv), and the
/// sum of the own part to all (MPI_Iallgatherv); both are linear in Open MPI 4.1 (ompi/mca/coll/libnbc).
package enum DirectSum {
    package static func rounds(ranks: Int, ranksPerNode: Int) -> [CollectiveRound] {
        LinearGather.rounds(ranks: ranks, ranksPerNode: ranksPerNode).flatMap { round in
            var part = round
            part.link /= Double(ranks)
            part.received /= Double(ranks)
            part.meanReceived /= Double(ranks)
            return [part, part]
        }
    }
}

/// Who sends to whom in each round.
private struct RankPlaces {
    let ranks: Int
    let ranksPerNode: Int

    func round(_ fill: (inout RoundTally) -> Void) -> CollectiveRound {
        var tally = RoundTally(ranks: ranks, ranksPerNode: ranksPerNode)
        fill(&tally)
        return tally.round
    }

    /// `allred_sched_diss`: up, then down.
    var binomialTree: [CollectiveRound] {
        let distances = sequence(first: 1) { 2 * $0 < ranks ? 2 * $0 : nil }
        let up = distances.map { distance in
            round { tally in
                for rank in stride(from: 0, to: ranks - distance, by: 2 * distance) {
                    tally.send(1, from: rank + distance, to: rank)
                }
            }
        }
        let down = distances.map { distance in
            round { tally in
                for rank in 0..<min(distance, ranks - distance) { tally.send(1, from: rank, to: rank + distance) }
            }
        }
        return up + down
    }

    /// `allred_sched_redscat_allgather`: the send buffer is copied; where p is no power of two, the first 2·(p - p') ranks
    /// join in pairs, whose even rank goes on; halving; doubling; the whole result to the odd ones.
    var rabenseifner: [CollectiveRound] {
        let (whole, extra) = folding
        let masks = Array(sequence(first: 1) { 2 * $0 < whole ? 2 * $0 : nil })
        let halving = masks.enumerated().map { step, mask in
            exchange(share: 1 / Double(2 << step), mask: mask)
        }
        let join = round { tally in
            for rank in stride(from: 0, to: 2 * extra, by: 2) {
                tally.send(0.5, from: rank, to: rank + 1)
                tally.send(0.5, from: rank + 1, to: rank)
            }
        }
        let bringHalf = round { tally in
            for rank in stride(from: 0, to: 2 * extra, by: 2) { tally.send(0.5, from: rank + 1, to: rank) }
        }
        let giveBack = round { tally in
            for rank in stride(from: 0, to: 2 * extra, by: 2) { tally.send(1, from: rank, to: rank + 1) }
        }
        var rounds = [CollectiveRound.ownCopy]
        if extra > 0 { rounds += [join, bringHalf] }
        rounds += halving
        rounds += halving.reversed()
        if extra > 0 { rounds.append(giveBack) }
        return rounds
    }

    /// `ompi_coll_base_allreduce_intra_recursivedoubling`: of the first 2·(p - p') ranks the even ones give theirs to the
    /// next and wait.
    var recursiveDoubling: [CollectiveRound] {
        let (whole, extra) = folding
        let masks = sequence(first: 1) { 2 * $0 < whole ? 2 * $0 : nil }
        let join = round { tally in
            for rank in stride(from: 0, to: 2 * extra, by: 2) { tally.send(1, from: rank, to: rank + 1) }
        }
        let giveBack = round { tally in
            for rank in stride(from: 0, to: 2 * extra, by: 2) { tally.send(1, from: rank + 1, to: rank) }
        }
        let doubling = masks.map { exchange(share: 1, mask: $0) }
        return (extra > 0 ? [join] : []) + doubling + (extra > 0 ? [giveBack] : [])
    }

    /// The largest power of two, and how many ranks are more than that.
    private var folding: (whole: Int, extra: Int) {
        let whole = SumAlgorithm.powerOfTwo(atMost: ranks)
        return (whole, ranks - whole)
    }

    /// Every rank that goes on exchanges `share` with the one whose number differs in the bit `mask`.
    private func exchange(share: Double, mask: Int) -> CollectiveRound {
        let (whole, extra) = folding
        func rank(_ place: Int) -> Int { place < extra ? 2 * place : place + extra }
        return round { tally in
            for place in 0..<whole { tally.send(share, from: rank(place), to: rank(place ^ mask)) }
        }
    }
}
