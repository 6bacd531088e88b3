import Communication
import DataParallel
import Tensors
import TestSupport
import Testing

@Suite("Replicas that have drifted apart are noticed")
struct ReplicaCheckTests {
    /// What each rank says if these are the last of five values of each.
    private func verdicts(_ last: [Float]) throws -> [String?] {
        try InProcessWorld.run(ranks: last.count) { world in
            let values = Matrix(rows: 1, columns: 5, values: [1, 2, 3, 4, last[world.rank]])
            return thrownError(ReplicaError.self) { try ReplicaCheck.verify(values, step: 7, world) }?.description
        }
    }

    @Test("ranks outside the majority are named, by all")
    func drift() throws {
        #expect(try verdicts([5]) == [nil])
        #expect(try verdicts([5, 5, 5]) == [nil, nil, nil])
        for text in try verdicts([5, 5, 5.000001]) {
            #expect(text?.contains("rank 2 differ from those of rank 0, 1 at step 7") == true, "\(text ?? "")")
        }
        for text in try verdicts([5.000001, 5, .nan, 5]) {
            #expect(text?.contains("rank 0, 2 differ from those of rank 1, 3 at step 7") == true, "\(text ?? "")")
        }
        // Where there is no majority, the first is believed.
        for text in try verdicts([5, 6]) {
            #expect(text?.contains("rank 1 differ from those of rank 0") == true, "\(text ?? "")")
        }
    }

    @Test("the checksum sees every bit and the order")
    func checksum() {
        let sums = [[1, 2, 3], [1, 3, 2], [1, 2, -3], [1, 2, 3, 0], [0, 1, 2, 3], [1, 2, Float(3).nextUp]]
            .map { ReplicaCheck.checksum(Matrix(rows: 1, columns: $0.count, values: $0)) }
        #expect(Set(sums).count == sums.count)
        let zeros = [Float(0), -0.0].map { ReplicaCheck.checksum(Matrix(rows: 1, columns: 1, values: [$0])) }
        #expect(zeros[0] != zeros[1])
    }
}
