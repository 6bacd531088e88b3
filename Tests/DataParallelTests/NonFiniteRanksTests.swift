import Communication
import DataParallel
import Tensors
import TestSupport
import Testing

@Suite("Ranks whose gradient is not finite are known after the sums are formed")
struct NonFiniteRanksTests {
    /// Whom each of three ranks suspects if `spoiled` is in place of a gradient of `rank`.
    private func suspects(
        of rank: Int, at index: Int, _ spoiled: Float, _ algorithm: GradientSumConfiguration.Algorithm,
        _ wire: ElementType
    ) throws -> [Set<Int>] {
        try InProcessWorld.run(ranks: 3) { world in
            let gradients = Matrix(rows: 1, columns: 48, values: (0..<48).map { Float(world.rank * 48 + $0) })
            if world.rank == rank { gradients[0, index] = spoiled }
            var exchange = GradientSumConfiguration()
            exchange.algorithm = algorithm
            exchange.wire = wire
            let reducer = GradientReducer(world, exchange, gradients: gradients, plan: MemoryPlan())
            try reducer.ready(0..<48)
            try reducer.finish()
            return reducer.nonFiniteRanks
        }
    }

    @Test("by direct exchange, by the rank that adds up that part", arguments: [ElementType.float32, .bfloat16])
    func direct(_ wire: ElementType) throws {
        for spoiled in [Float.nan, .infinity, -.infinity] {
            for rank in 0..<3 {
                // Each rank adds up sixteen.
                for index in [0, 16, 23, 31, 32] {
                    let expected = (0..<3).map { index / 16 == $0 ? Set([rank]) : [] }
                    #expect(try suspects(of: rank, at: index, spoiled, .direct, wire) == expected)
                }
            }
        }
        #expect(try suspects(of: 2, at: 20, 1, .direct, wire) == [[], [], []])
    }

    @Test("by MPI_Iallreduce every rank knows its own, anywhere")
    func allReduce() throws {
        for index in [0, 20, 47] {
            #expect(try suspects(of: 1, at: index, .nan, .allReduce, .float32) == [[], [1], []])
            #expect(try suspects(of: 0, at: index, .infinity, .allReduce, .float32) == [[0], [], []])
        }
    }
}
