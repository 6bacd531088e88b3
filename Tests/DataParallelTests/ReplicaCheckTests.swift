import Communication
import DataParallel
import Tensors
import Testing

@Suite("Replicas that have drifted apart are noticed")
struct ReplicaCheckTests {
    @Test("ranks outside the majority are named")
    func drift() throws {
        let values = Matrix(rows: 1, columns: 5, values: [1, 2, 3, 4, 5])
        let other = Matrix(rows: 1, columns: 5, values: [1, 2, 3, 4, 5.000001])
        let sums = [values, values, other].map { ReplicaCheck.checksum($0) }
        try ReplicaCheck.verify(values, step: 7, Ranks(checksums: [sums[0], sums[1], sums[1]]))
        let error = #expect(throws: ReplicaError.self) {
            try ReplicaCheck.verify(values, step: 7, Ranks(checksums: sums))
        }
        #expect(error?.description.contains("rank 2 differ from those of rank 0, 1 at step 7") == true)
    }

    @Test("the checksum sees every bit and the order")
    func checksum() {
        let sums = [[1, 2, 3], [1, 3, 2], [1, 2, -3], [1, 2, 3, 0], [0, 1, 2, 3], [1, 2, Float(3).nextUp]]
            .map { ReplicaCheck.checksum(Matrix(rows: 1, columns: $0.count, values: $0)) }
        #expect(Set(sums).count == sums.count)
        let zeros = [Float(0), -0.0].map { ReplicaCheck.checksum(Matrix(rows: 1, columns: 1, values: [$0])) }
        #expect(zeros[0] != zeros[1])
    }

    /// Ranks whose checksums are given; nothing else is asked of them.
    private final class Ranks: Communicator {
        let checksums: [UInt64]
        let rank = 0
        var size: Int { checksums.count }
        var localSize: Int { size }

        init(checksums: [UInt64]) { self.checksums = checksums }

        func allGather(_ bytes: [UInt8]) -> [[UInt8]] {
            checksums.map { sum in (0..<8).map { UInt8(truncatingIfNeeded: sum >> UInt64(8 * $0)) } }
        }
        func allReduce(_ values: inout [Double], _ reduction: Reduction) {}
        func startAllReduce(send: MatrixView<Double>, receive: MatrixView<Double>, in slot: CollectiveSlot) {}
        func startAllReduce(send: Matrix, receive: Matrix, in slot: CollectiveSlot) {}
        func startAllGather(_ rows: Matrix, into all: Matrix, in slot: CollectiveSlot) {}
        func startAllToAll(
            send: Operand, _ sendParts: RankParts, receive: Operand, _ receiveParts: RankParts, in slot: CollectiveSlot
        ) {}
        func startAllGather(_ values: Operand, _ parts: RankParts, in slot: CollectiveSlot) {}
        func allGather(_ rows: Matrix, rowCounts: [Int], into all: Matrix) {}
        func broadcast(_ values: Matrix, from root: Int) {}
        func barrier() {}
        func watchForStalls(timeout: Double) {}
        func mark(step: Int) {}
        func abort(exitCode: Int32) -> Never { fatalError() }
    }
}
