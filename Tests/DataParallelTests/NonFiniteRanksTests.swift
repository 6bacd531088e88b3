import Communication
import DataParallel
import Tensors
import Testing

@Suite("Ranks whose gradient is not finite are known after the sums are formed")
struct NonFiniteRanksTests {
    /// Whom rank 1 of three suspects if `spoiled` is in place of a gradient of `rank`.
    private func suspects(
        of rank: Int, at index: Int, _ spoiled: Float, _ algorithm: GradientSumConfiguration.Algorithm,
        _ wire: ElementType
    ) throws -> Set<Int> {
        var gradients = (0..<3).map { rank in (0..<48).map { Float(rank * 48 + $0) } }
        gradients[rank][index] = spoiled
        var exchange = GradientSumConfiguration()
        exchange.algorithm = algorithm
        exchange.wire = wire
        let own = Matrix(rows: 1, columns: 48, values: gradients[1])
        let reducer = GradientReducer(
            ThreeRanks(gradients: gradients), exchange, gradients: own, plan: MemoryPlan())
        try reducer.ready(0..<48)
        try reducer.finish()
        return reducer.nonFiniteRanks
    }

    @Test("by direct exchange, in the part that this rank adds up", arguments: [ElementType.float32, .bfloat16])
    func direct(_ wire: ElementType) throws {
        for spoiled in [Float.nan, .infinity, -.infinity] {
            for rank in 0..<3 {
                for index in [16, 23, 31] {
                    #expect(try suspects(of: rank, at: index, spoiled, .direct, wire) == [rank])
                }
            }
        }
        // Parts of others are theirs to tell.
        #expect(try suspects(of: 2, at: 32, .nan, .direct, wire) == [])
        #expect(try suspects(of: 2, at: 20, 1, .direct, wire) == [])
    }

    @Test("by MPI_Iallreduce every rank knows its own, anywhere")
    func allReduce() throws {
        for index in [0, 20, 47] {
            #expect(try suspects(of: 1, at: index, .nan, .allReduce, .float32) == [1])
            #expect(try suspects(of: 0, at: index, .infinity, .allReduce, .float32) == [])
        }
    }

    /// Rank 1 of three that have these gradients, in one bucket; messages arrive at once.
    private final class ThreeRanks: Communicator {
        let gradients: [[Float]]
        let rank = 1
        let size = 3
        let localSize = 3

        init(gradients: [[Float]]) { self.gradients = gradients }

        func startAllReduce(send: MatrixView<Double>, receive: MatrixView<Double>, in slot: CollectiveSlot) {}
        func startAllReduce(send: Matrix, receive: Matrix, in slot: CollectiveSlot) {
            let sums = gradients[0].indices.map { index in gradients.reduce(0) { $0 + $1[index] } }
            receive.copy(from: Matrix(rows: 1, columns: sums.count, values: sums))
        }
        func startAllToAll(
            send: Operand, _ sendParts: RankParts, receive: Operand, _ receiveParts: RankParts, in slot: CollectiveSlot
        ) {
            let own = sendParts.ranges[0].upperBound..<sendParts.ranges[2].lowerBound
            for sender in [0, 2] {
                receive.columns(receiveParts.ranges[sender]).convert(
                    from: Matrix(rows: 1, columns: own.count, values: Array(gradients[sender][own])))
            }
        }
        func startAllGather(_ values: Operand, _ parts: RankParts, in slot: CollectiveSlot) {}
        func startAllGather(_ rows: Matrix, into all: Matrix, in slot: CollectiveSlot) {}
        func allReduce(_ values: inout [Double], _ reduction: Reduction) {}
        func allGather(_ bytes: [UInt8]) -> [[UInt8]] { [[], bytes, []] }
        func allGather(_ rows: Matrix, rowCounts: [Int], into all: Matrix) {}
        func broadcast(_ values: Matrix, from root: Int) {}
        func barrier() {}
        func watchForStalls(timeout: Double) {}
        func mark(step: Int) {}
        func abort(exitCode: Int32) -> Never { fatalError() }
    }
}
