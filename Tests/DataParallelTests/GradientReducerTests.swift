import Communication
import DataParallel
import Tensors
import TestSupport
import Testing

@Suite("Gradients of all ranks are added up, bucket by bucket")
struct GradientReducerTests {
    struct Variant: CustomTestStringConvertible, Sendable {
        var algorithm = GradientSumConfiguration.Algorithm.direct
        var wire = ElementType.float32
        var shards = false

        var testDescription: String { "\(algorithm.rawValue), \(wire.rawValue)\(shards ? ", shared" : "")" }

        /// Small buckets: 64 elements, or what gives each rank sixteen.
        var exchange: GradientSumConfiguration {
            var exchange = GradientSumConfiguration()
            (exchange.algorithm, exchange.wire, exchange.shardsOptimizer) = (algorithm, wire, shards)
            exchange.bucketBytes = 256
            return exchange
        }
    }

    static let variants = [
        Variant(), Variant(algorithm: .allReduce), Variant(wire: .bfloat16), Variant(shards: true),
        Variant(wire: .bfloat16, shards: true),
    ]

    /// Small whole numbers: their sums are exact in either type and any order.
    private static func gradient(_ count: Int, rank: Int, step: Int) -> [Float] {
        (0..<count).map { Float(($0 * 7 + rank * 5 + step * 3) % 9 - 4) }
    }

    /// Hands a reducer its gradients as backward does, from the last to the first, in parts that are no buckets.
    private static func send(_ count: Int, to reducer: GradientReducer) throws {
        for end in stride(from: count, to: 0, by: -37) {
            try reducer.ready(max(end - 37, 0)..<end)
            try reducer.progress()
        }
    }

    @Test("sums are those of a plain loop, step after step", arguments: variants, [1, 2, 3, 4])
    func sums(variant: Variant, ranks: Int) throws {
        for count in [1, 100, 1000] {
            let isRight = try InProcessWorld.run(ranks: ranks) { world in
                let gradients = Matrix(rows: 1, columns: count)
                let reducer = GradientReducer(world, variant.exchange, gradients: gradients, plan: MemoryPlan())
                return try (0..<3).allSatisfy { step in
                    gradients.copy(from: Self.gradient(count, rank: world.rank, step: step))
                    try Self.send(count, to: reducer)
                    try reducer.finish()
                    let all = (0..<ranks).map { Self.gradient(count, rank: $0, step: step) }
                    let sum = (0..<count).map { index in all.reduce(0) { $0 + $1[index] } }
                    return !reducer.isBusy && reducer.nonFiniteRanks.isEmpty
                        && reducer.owned.allSatisfy { reducer.gradients.columns($0).array == Array(sum[$0]) }
                }
            }
            #expect(isRight == Array(repeating: true, count: ranks), "\(count) gradients")
        }
    }

    @Test("what ranks own is everything, or shares that together are everything", arguments: variants, [1, 2, 3, 4])
    func owned(variant: Variant, ranks: Int) throws {
        let owned = try InProcessWorld.run(ranks: ranks) { world in
            GradientReducer(
                world, variant.exchange, gradients: Matrix(rows: 1, columns: 500), plan: MemoryPlan()
            ).owned
        }
        let shares = variant.shards && ranks > 1 ? [owned.flatMap(\.self)] : owned
        for share in shares { #expect(share.flatMap(Array.init).sorted() == Array(0..<500)) }
    }

    @Test("directly added terms are added in a tree over the ranks, whatever the bucket", arguments: [2, 3, 4, 7])
    func tree(ranks: Int) throws {
        let count = 300
        let all = (0..<ranks).map { rank -> [Float] in
            var random = SampleRandom(seed: 5, epoch: 0, sample: rank, purpose: .initialization)
            return (0..<count).map { _ in Float(random.uniform(-1, 1)) }
        }
        let tree = try #require(GradientTree.sum(all) { a, b in zip(a, b).map { $0 + $1 } })
        let sums = try InProcessWorld.run(ranks: ranks) { world in
            let gradients = Matrix(rows: 1, columns: count, values: all[world.rank])
            let reducer = GradientReducer(world, Variant().exchange, gradients: gradients, plan: MemoryPlan())
            try Self.send(count, to: reducer)
            try reducer.finish()
            return reducer.gradients.array.map(\.bitPattern)
        }
        for sum in sums { #expect(sum == tree.map(\.bitPattern)) }
    }

    @Test("rounded terms are off by what is rounded, and all ranks have the same bits", arguments: [2, 4])
    func rounded(ranks: Int) throws {
        let count = 300
        @Sendable func term(_ rank: Int, _ index: Int) -> Float { 1 + Float((index * 13 + rank * 29) % 101) / 101 }
        let sums = try InProcessWorld.run(ranks: ranks) { world in
            let gradients = Matrix(rows: 1, columns: count, values: (0..<count).map { term(world.rank, $0) })
            let reducer = GradientReducer(
                world, Variant(wire: .bfloat16).exchange, gradients: gradients, plan: MemoryPlan())
            try Self.send(count, to: reducer)
            try reducer.finish()
            return reducer.gradients.array
        }
        for (index, value) in sums[0].enumerated() {
            let exact = (0..<ranks).reduce(Float(0)) { $0 + term($1, index) }
            // Half a unit in the eighth bit, of each term and of the sum.
            #expect(abs(value - exact) <= 2 * exact / 256)
        }
        #expect(sums.allSatisfy { $0 == sums[0] })
        #expect(sums[0] != (0..<count).map { index in (0..<ranks).reduce(0) { $0 + term($1, index) } })
    }

    @Test("each bucket is told of once, with its bytes, when its sum is there", arguments: variants)
    func told(variant: Variant) throws {
        let count = 1000
        let bytes = try InProcessWorld.run(ranks: 2) { world in
            let gradients = Matrix(rows: 1, columns: count)
            let reducer = GradientReducer(world, variant.exchange, gradients: gradients, plan: MemoryPlan())
            var told: [Int] = []
            reducer.onBucket = { start, end, bytes in if end >= start { told.append(bytes) } }
            try Self.send(count, to: reducer)
            while reducer.isBusy { try reducer.progress() }
            try reducer.finish()
            return (told, reducer.layout.buckets.map(\.count))
        }
        for (told, counts) in bytes {
            let expected = counts.map { $0 * (variant.wire == .float32 ? 4 : 2) }
            // Sums may come in another order than gradients leave.
            #expect(counts.count > 10 && told.sorted() == expected.sorted())
        }
    }

    @Test("a rank that fails in the middle of backward lets the others fail", arguments: variants, 0..<3)
    func failing(variant: Variant, victim: Int) {
        struct Fault: Error {}
        let outcomes = InProcessWorld.outcomes(ranks: 3) { world in
            let reducer = GradientReducer(
                world, variant.exchange, gradients: Matrix(rows: 1, columns: 1000), plan: MemoryPlan())
            try reducer.ready(500..<1000)
            if world.rank == victim { throw Fault() }
            try reducer.ready(0..<500)
            try reducer.finish()
        }
        for (rank, outcome) in outcomes.enumerated() {
            let error = thrownError((any Error).self) { try outcome.get() }
            #expect(rank == victim ? error is Fault : error is CommunicationError, "rank \(rank): \(outcome)")
        }
    }
}
