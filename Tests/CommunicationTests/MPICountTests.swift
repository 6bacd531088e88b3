import Communication
import Testing

@Suite("Counts that MPI takes as C ints")
struct MPICountTests {
    @Test("a count of 2^31 or more is an error that names the call, not a trap")
    func tooMany() throws {
        #expect(try MPICount.of(Int(Int32.max), "MPI_Allreduce", rank: 3) == Int32.max)
        for count in [1 << 31, 1 << 40, -1] {
            let error = #expect(throws: CommunicationError.self) {
                try MPICount.of(count, "MPI_Allreduce", rank: 3)
            }
            #expect(error?.description.contains("MPI_Allreduce failed on rank 3") == true)
            #expect(error?.description.contains("\(count) elements") == true)
        }
    }

    @Test("parts that are each small and together too much are an error")
    func total() throws {
        let small = try MPICount.parts([3, 0, 5], "MPI_Gatherv", rank: 0)
        #expect(small.counts == [3, 0, 5] && small.offsets == [0, 3, 3] && small.total == 8)
        // The spans of 993 ranks whose timelines are full.
        let full = [Int](repeating: 33 << 16, count: 993)
        #expect(throws: CommunicationError.self) { try MPICount.parts(full, "MPI_Gatherv", rank: 0) }
        let fewer = try MPICount.parts(Array(full.dropFirst()), "MPI_Gatherv", rank: 0)
        #expect(fewer.total == 992 * 33 << 16)
    }

    @Test("bytes of many ranks come to rank 0 in rounds that are each small enough, in order and whole")
    func rounds() {
        let full = [Int](repeating: 33 << 16, count: 1024)
        let rounds = MPICount.rounds(full, most: 64 << 20)
        #expect(rounds.flatMap { Array($0) } == Array(0..<1024))
        for round in rounds { #expect(full[round].reduce(0, +) <= 64 << 20) }
        #expect(rounds.count == 1024 / (64 << 20) / (33 << 16) + (1024 + 30) / 31)
        // One that is more by itself goes by itself; empty ones take part.
        #expect(MPICount.rounds([5, 100, 0, 5, 5], most: 10) == [0..<1, 1..<2, 2..<5])
        #expect(MPICount.rounds([0, 0, 0], most: 10) == [0..<3])
        #expect(MPICount.rounds([], most: 10) == [])
    }
}
