/// Counts and offsets of MPI calls, which are C ints.
package enum MPICount {
    /// `count` as MPI takes it.
    ///
    /// - Throws: where it is more than MPI can count.
    package static func of(_ count: Int, _ call: String, rank: Int) throws(CommunicationError) -> Int32 {
        guard let small = Int32(exactly: count), small >= 0 else {
            throw CommunicationError(
                call: call, reason: "a message of \(count) elements is more than the \(Int32.max) that MPI counts",
                rank: rank)
        }
        return small
    }

    /// Parts of these lengths, one behind another: counts, offsets, and what they are together.
    ///
    /// - Throws: where that is more than MPI can count.
    package static func parts(
        _ lengths: [Int], _ call: String, rank: Int
    ) throws(CommunicationError) -> (counts: [Int32], offsets: [Int32], total: Int) {
        var counts: [Int32] = []
        var offsets: [Int32] = []
        var total = 0
        for length in lengths {
            counts.append(try of(length, call, rank: rank))
            offsets.append(try of(total, call, rank: rank))
            total += length
        }
        _ = try of(total, call, rank: rank)
        return (counts, offsets, total)
    }

    /// The ranks whose bytes come to rank 0 together: as many after one another as do not exceed `most` bytes, at least one.
    package static func rounds(_ lengths: [Int], most: Int) -> [Range<Int>] {
        var rounds: [Range<Int>] = []
        var first = 0
        var bytes = 0
        for (rank, length) in lengths.enumerated() {
            if rank > first && bytes + length > most {
                rounds.append(first..<rank)
                (first, bytes) = (rank, 0)
            }
            bytes += length
        }
        if first < lengths.count { rounds.append(first..<lengths.count) }
        return rounds
    }
}
