/// The algorithms by which Open MPI 4.1 carries out the collective operations of a step.
package enum Collective: Hashable, Sendable {
    /// A sum, up a binomial tree to rank 0 and down again: the whole message, 2·⌈log₂ p⌉ times one after another.
    case binomialTree
    /// A sum: halves to the neighbour, quarters to the next but one and so on, then the same way back (Rabenseifner 2004).
    case rabenseifner
    /// A sum: p parts, each passed around the ring twice.
    case ring
    /// A sum: the whole message exchanged with the partner at distance 1, 2, 4, …
    case recursiveDoubling
    /// MPI_Iallgather, linear (ompi/mca/coll/libnbc/nbc_iallgather.c): every rank sends its part to every other, all at
    /// once. The message is one rank's part.
    case gather
    /// A half of `--gradient-exchange direct`: every rank sends each other the other's part of the message (MPI_Ialltoallv),
    /// or the sum of its own part to all (MPI_Iallgatherv). Both are linear too.
    case parts

    /// What MPI_Iallreduce takes for separate buffers and a commutative operation: `nbc_allreduce_init` in
    /// ompi/mca/coll/libnbc/nbc_iallreduce.c of Open MPI 4.1 (coll_libnbc_iallreduce_algorithm 0).
    package static func sum(ranks: Int, elements: Int, bytes: Int) -> Collective {
        if ranks < 4 || bytes < 65536 { return .binomialTree }
        return elements >= powerOfTwo(atMost: ranks) ? .rabenseifner : .ring
    }

    /// What MPI_Allreduce takes for fewer than 64 bytes of fewer elements than ranks, or for a few elements on few ranks:
    /// `ompi_coll_tuned_allreduce_intra_dec_fixed` in ompi/mca/coll/tuned/coll_tuned_decision_fixed.c of Open MPI 4.1.
    ///
    /// From 128 ranks on that is a reduction and then a broadcast, for such messages along trees of this depth; where the
    /// table asks for a ring, that falls back to recursive doubling for fewer elements than ranks.
    package static func smallSum(ranks: Int) -> Collective { ranks < 128 ? .recursiveDoubling : .binomialTree }

    /// The rounds on `ranks` ranks, `ranksPerNode` of which share a node; none on one rank.
    package func rounds(ranks: Int, ranksPerNode: Int) -> [CollectiveRound] {
        guard ranks > 1 else { return [] }
        let messages = Messages(ranks: ranks)
        func counted(_ rounds: [[CollectiveRound.Message]]) -> [CollectiveRound] {
            rounds.filter { !$0.isEmpty }.map { CollectiveRound($0, ranks: ranks, ranksPerNode: ranksPerNode) }
        }
        switch self {
        case .binomialTree: return counted(messages.binomialTree)
        case .rabenseifner: return [.ownCopy] + counted(messages.rabenseifner)
        case .ring: return counted([messages.ring]).flatMap { [CollectiveRound](repeating: $0, count: 2 * (ranks - 1)) }
        case .recursiveDoubling: return counted(messages.recursiveDoubling)
        case .gather: return [linear(ranks, ranksPerNode, parts: 1)]
        case .parts: return [linear(ranks, ranksPerNode, parts: Double(ranks))]
        }
    }

    /// All ranks send to all others, each time one of so many parts of the message.
    private func linear(_ ranks: Int, _ ranksPerNode: Int, parts: Double) -> CollectiveRound {
        let others = ranks - 1
        return CollectiveRound(
            link: Double(ranksPerNode * (ranks - ranksPerNode)) / parts, received: Double(others) / parts,
            meanReceived: Double(others) / parts, messages: others, meanMessages: Double(others))
    }

    fileprivate static func powerOfTwo(atMost number: Int) -> Int {
        1 << (Int.bitWidth - 1 - number.leadingZeroBitCount)
    }
}

/// Who sends to whom, round after round; rounds of which a number of ranks has no need are empty.
private struct Messages {
    typealias Message = CollectiveRound.Message

    let ranks: Int
    /// The largest power of two, and how many ranks are more than that.
    private let whole: Int
    private let extra: Int

    init(ranks: Int) {
        self.ranks = ranks
        whole = Collective.powerOfTwo(atMost: ranks)
        extra = ranks - whole
    }

    /// `allred_sched_diss`: up, then down.
    var binomialTree: [[Message]] {
        let distances = powersOfTwo(below: ranks)
        let up = distances.map { distance in
            stride(from: 0, to: ranks - distance, by: 2 * distance).map { Message(1, from: $0 + distance, to: $0) }
        }
        let down = distances.map { distance in
            (0..<min(distance, ranks - distance)).map { Message(1, from: $0, to: $0 + distance) }
        }
        return up + down
    }

    /// `allred_sched_redscat_allgather`, after the send buffer is copied: where p is no power of two, the first 2·(p - p')
    /// ranks join in pairs, whose even rank goes on; halving; doubling; the whole result to the odd ones.
    var rabenseifner: [[Message]] {
        let halving = powersOfTwo(below: whole).enumerated().map { step, mask in
            exchange(share: 1 / Double(2 << step), mask: mask)
        }
        let join = [toOddRanks(0.5) + toEvenRanks(0.5), toEvenRanks(0.5)]
        return join + halving + halving.reversed() + [toOddRanks(1)]
    }

    /// One round, which is made 2·(p - 1) times.
    var ring: [Message] { (0..<ranks).map { Message(1 / Double(ranks), from: $0, to: ($0 + 1) % ranks) } }

    /// `ompi_coll_base_allreduce_intra_recursivedoubling`: of the first 2·(p - p') ranks the even ones give theirs to the
    /// next and wait.
    var recursiveDoubling: [[Message]] {
        [toOddRanks(1)] + powersOfTwo(below: whole).map { exchange(share: 1, mask: $0) } + [toEvenRanks(1)]
    }

    /// Between the first 2·(p - p') ranks, in pairs.
    private func toOddRanks(_ share: Double) -> [Message] {
        (0..<extra).map { Message(share, from: 2 * $0, to: 2 * $0 + 1) }
    }

    private func toEvenRanks(_ share: Double) -> [Message] {
        (0..<extra).map { Message(share, from: 2 * $0 + 1, to: 2 * $0) }
    }

    /// Every rank that goes on exchanges `share` with the one whose number differs in the bit `mask`.
    private func exchange(share: Double, mask: Int) -> [Message] {
        func rank(_ place: Int) -> Int { place < extra ? 2 * place : place + extra }
        return (0..<whole).map { Message(share, from: rank($0), to: rank($0 ^ mask)) }
    }

    private func powersOfTwo(below number: Int) -> [Int] {
        Array(sequence(first: 1) { 2 * $0 < number ? 2 * $0 : nil })
    }
}
