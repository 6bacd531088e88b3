import Communication
import Dispatch
import Tensors
import TestSupport
import Testing

/// The world that other tests stand on.
@Suite("Ranks that are threads of one process exchange messages as MPI's do")
struct InProcessWorldTests {
    static let sizes = [1, 2, 3, 4, 8]

    @Test("what is waited for", arguments: sizes)
    func blocking(size: Int) throws {
        let counts = (0..<size).map { $0 % 3 }
        let isRight = try InProcessWorld.run(ranks: size) { world in
            let rank = world.rank
            var sums = [Double(rank), 1]
            try world.allReduce(&sums, .sum)
            var largest = [Double(rank), -Double(rank)]
            try world.allReduce(&largest, .maximum)
            var smallest = largest
            smallest[0] = Double(rank)
            try world.allReduce(&smallest, .minimum)
            let values = Matrix(rows: 1, columns: 3, values: [Float](repeating: Float(rank), count: 3))
            try world.broadcast(values, from: size - 1)
            let rows = Matrix(
                rows: counts[rank], columns: 2, values: [Float](repeating: Float(rank), count: 2 * counts[rank]))
            let all = Matrix(rows: counts.reduce(0, +), columns: 2)
            try world.allGather(rows, rowCounts: counts, into: all)
            let bytes = try world.allGather([UInt8](repeating: UInt8(rank), count: rank))
            let onRoot = try world.gatherOnRoot(
                [UInt8](repeating: UInt8(rank), count: counts[rank]), counts: counts)
            try world.barrier()
            let stacked = counts.enumerated().flatMap { [Float](repeating: Float($0.offset), count: 2 * $0.element) }
            return world.size == size && sums == [Double(size * (size - 1) / 2), Double(size)]
                && largest == [Double(size - 1), 0] && smallest == [0, 0] && all.array == stacked
                && values.array == [Float](repeating: Float(size - 1), count: 3)
                && bytes == (0..<size).map { [UInt8](repeating: UInt8($0), count: $0) }
                && (rank > 0 || onRoot == counts.enumerated().map { Array(repeating: UInt8($0), count: $1) })
        }
        #expect(isRight == Array(repeating: true, count: size))
    }

    @Test("what is under way while something else is done", arguments: sizes)
    func nonBlocking(size: Int) throws {
        let isRight = try InProcessWorld.run(ranks: size) { world in
            let rank = world.rank
            let slots = (0..<5).map { _ in CollectiveSlot() }
            let sent = Matrix(rows: 1, columns: 2, values: [Float(rank), 1])
            let sum = Matrix(rows: 1, columns: 2)
            try world.startAllReduce(send: sent, receive: sum, in: slots[0])
            let doubles = MatrixView<Double>(rows: 1, columns: 1, values: [0.1 * Double(rank)])
            let doubleSum = MatrixView<Double>(rows: 1, columns: 1)
            try world.startAllReduce(send: doubles, receive: doubleSum, in: slots[1])
            let all = Matrix(rows: size, columns: 2)
            try world.startAllGather(sent, into: all, in: slots[2])
            // Every rank sends rank + 1 elements to each of the others; a0, a0 a1, …
            let out = Operand(
                Matrix(
                    rows: 1, columns: size * (rank + 1), values: (0..<size * (rank + 1)).map { Float(100 * rank + $0) })
            )
            let outParts = RankParts((0..<size).map { $0 * (rank + 1)..<($0 + 1) * (rank + 1) })
            let starts = (0...size).map { $0 * ($0 + 1) / 2 }
            let inParts = RankParts((0..<size).map { starts[$0]..<starts[$0 + 1] })
            let arrived = Matrix(rows: 1, columns: starts[size])
            try world.startAllToAll(send: out, outParts, receive: Operand(arrived), inParts, in: slots[3])
            let shared = Matrix(rows: 1, columns: size)
            shared[0, rank] = Float(rank)
            try world.startAllGather(Operand(shared), RankParts((0..<size).map { $0..<$0 + 1 }), in: slots[4])
            for slot in slots.reversed() { try slot.wait() }
            let expected = (0..<size).flatMap { sender in
                (0...sender).map { Float(100 * sender + rank * (sender + 1) + $0) }
            }
            var inOrder = 0.0
            for other in 0..<size { inOrder = other == 0 ? 0 : inOrder + 0.1 * Double(other) }
            return sum.array == [Float(size * (size - 1) / 2), Float(size)] && doubleSum[0, 0] == inOrder
                && all.array == (0..<size).flatMap { [Float($0), 1] } && arrived.array == expected
                && shared.array == (0..<size).map(Float.init) && slots.allSatisfy(\.isDone)
        }
        #expect(isRight == Array(repeating: true, count: size))
    }

    @Test("nothing arrives before all have sent, and until then memory is not a number")
    func notBefore() throws {
        let gate = DispatchSemaphore(value: 0)
        let seen = try InProcessWorld.run(ranks: 2) { world in
            let sum = Matrix(rows: 1, columns: 1)
            let slot = CollectiveSlot()
            if world.rank == 1 { gate.wait() }
            try world.startAllReduce(send: Matrix(rows: 1, columns: 1, values: [1]), receive: sum, in: slot)
            let isEarly = try world.rank == 0 && !slot.test() && sum[0, 0].isNaN
            if world.rank == 0 { gate.signal() }
            try slot.wait()
            return (isEarly, sum[0, 0])
        }
        #expect(seen[0] == (true, 2) && seen[1] == (false, 2))
    }

    @Test("gathers of parts are ordered among themselves alone, as they have a communicator of their own")
    func orders() throws {
        let sums = try InProcessWorld.run(ranks: 2) { world in
            let slot = CollectiveSlot()
            let values = Matrix(rows: 1, columns: 2)
            values[0, world.rank] = Float(world.rank + 1)
            func gather() throws {
                try world.startAllGather(Operand(values), RankParts([0..<1, 1..<2]), in: slot)
            }
            if world.rank == 0 { try gather() }
            try world.barrier()
            if world.rank == 1 { try gather() }
            try slot.wait()
            return values.array
        }
        #expect(sums == [[1, 2], [1, 2]])
    }

    /// The error of each rank, as text.
    private func errors(
        _ ranks: Int, _ body: @escaping @Sendable (any Communicator) throws -> Void
    ) -> [String] {
        InProcessWorld.outcomes(ranks: ranks, body).map {
            if case .failure(let error) = $0 { "\(error)" } else { "" }
        }
    }

    @Test("a rank that throws lets those fail who wait for it, and its error is that of the run")
    func thrown() throws {
        struct Fault: Error {}
        let body: @Sendable (any Communicator) throws -> Void = { world in
            try world.barrier()
            if world.rank == 1 { throw Fault() }
            try world.barrier()
        }
        #expect(throws: Fault.self) { try InProcessWorld.run(ranks: 3, body) }
        let texts = errors(3, body)
        #expect(texts[1] == "\(Fault())")
        for rank in [0, 2] {
            let other = 2 - rank
            #expect(
                texts[rank].contains("rank 1 has failed") || texts[rank].contains("rank \(other) has failed"),
                "\(texts)")
        }
    }

    @Test("a rank that ends early, or is at another operation, or waits for who waits for it, is an error and no wait")
    func mistakes() {
        let ended = errors(2) { if $0.rank == 0 { try $0.barrier() } }
        #expect(ended[0].contains("MPI_Barrier failed on rank 0: rank 1 has ended") && ended[1] == "", "\(ended)")

        let different = errors(2) { world in
            if world.rank == 0 { return try world.barrier() }
            var values = [1.0]
            try world.allReduce(&values, .sum)
        }
        #expect(different.contains { $0.contains("calls MPI_") && $0.contains("in its place") }, "\(different)")
        #expect(!different.contains(""))

        let counts = errors(2) { world in
            var values = [Double](repeating: 0, count: world.rank + 1)
            try world.allReduce(&values, .sum)
        }
        #expect(!counts.contains("") && counts.contains { $0.contains("of 1") && $0.contains("of 2") }, "\(counts)")

        let circle = errors(2) { world in
            let slot = CollectiveSlot()
            let values = Operand(Matrix(rows: 1, columns: 2))
            if world.rank == 0 { try world.barrier() }
            try world.startAllGather(values, RankParts([0..<1, 1..<2]), in: slot)
            try slot.wait()
            if world.rank == 1 { try world.barrier() }
        }
        #expect(!circle.contains("") && circle.contains { $0.contains("all ranks wait") }, "\(circle)")
    }

    @Test("what is changed while it is sent is an error")
    func changed() {
        let texts = errors(2) { world in
            let sent = Matrix(rows: 1, columns: 4)
            let slot = CollectiveSlot()
            try world.startAllReduce(send: sent, receive: Matrix(rows: 1, columns: 4), in: slot)
            if world.rank == 1 { sent[0, 2] = 1 }
            try slot.wait()
        }
        #expect(texts[0] == "" && texts[1].contains("was changed before it was over"), "\(texts)")
    }
}
