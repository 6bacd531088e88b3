extension Communicator {
    /// Brings the bytes of every rank to rank 0, a few ranks' at a time, so that it never holds much of them; there `body`
    /// is called with each in rank order. Collective.
    ///
    /// - Parameters:
    ///   - work: what `body` may take long with; it does not communicate.
    ///   - most: bytes that rank 0 is sent at a time, if one rank's are no more.
    /// - Throws: what `body` throws on rank 0, on all ranks and after all bytes have come.
    package func gather(
        _ bytes: [UInt8], during work: LongWork, most: Int = 64 << 20, _ body: (Int, [UInt8]) throws -> Void
    ) throws {
        // Exact: a double counts bytes up to 2^53.
        var lengths = [Double](repeating: 0, count: size)
        lengths[rank] = Double(bytes.count)
        try allReduce(&lengths, .sum)
        var failure: (any Error)?
        for round in MPICount.rounds(lengths.map { Int($0) }, most: most) {
            let counts = (0..<size).map { round.contains($0) ? Int(lengths[$0]) : 0 }
            table?.expect(work)
            defer { table?.expect(nil) }
            let arrived = try gatherOnRoot(round.contains(rank) ? bytes : [], counts: counts)
            guard failure == nil && rank == 0 else { continue }
            do {
                try during(work) { for sender in round { try body(sender, arrived[sender]) } }
            } catch {
                failure = error
            }
        }
        try agree(during: work) { if let failure { throw failure } }
    }
}
