import Communication
import DataParallel
import Tensors
import TestSupport
import Testing

@Suite("Shares of all ranks are brought together")
struct GatherTests {
    /// Elements, ranks, elements of a bucket; with ranks that have nothing of some buckets.
    static let shapes = [(1, 2, 1), (1000, 3, 100), (1023, 4, 64), (65, 4, 1000), (500, 1, 64)]

    private static func value(_ row: Int, _ index: Int, round: Int) -> Float { Float(row * 5000 + index * 3 + round) }

    @Test("moments come to rank 0, whole and in order, while the others keep theirs", arguments: shapes)
    func moments(count: Int, ranks: Int, bucketElements: Int) throws {
        let layout = BucketLayout(count: count, ranks: ranks, bucketElements: bucketElements)
        let isRight = try InProcessWorld.run(ranks: ranks) { world in
            let own = layout.parts(of: world.rank)
            let shares = (0..<2).map { _ in Matrix(rows: 1, columns: own.reduce(0) { $0 + $1.count }) }
            let wholes = world.rank == 0 ? (0..<2).map { _ in Matrix(rows: 1, columns: count) } : nil
            let gather = MomentGather(world, layout, shares: shares, wholes: wholes)
            return try (0..<3).allSatisfy { round in
                for (row, share) in shares.enumerated() {
                    share.copy(from: own.joined().map { Self.value(row, $0, round: round) })
                }
                try gather.start()
                try gather.progress()
                try gather.finish()
                return !gather.isBusy
                    && (wholes ?? []).enumerated().allSatisfy { row, whole in
                        whole.array == (0..<count).map { Self.value(row, $0, round: round) }
                    }
            }
        }
        #expect(isRight == Array(repeating: true, count: ranks))
    }

    @Test("weights that each rank updated reach all, bucket by bucket", arguments: shapes)
    func weights(count: Int, ranks: Int, bucketElements: Int) throws {
        let layout = BucketLayout(count: count, ranks: ranks, bucketElements: bucketElements)
        let isRight = try InProcessWorld.run(ranks: ranks) { world in
            let values = Matrix(rows: 1, columns: count)
            let gather = WeightGather(world, layout, values: values)
            return try (0..<3).allSatisfy { round in
                for bucket in layout.buckets.indices {
                    for index in layout.part(of: bucket, rank: world.rank) {
                        values[0, index] = Self.value(0, index, round: round)
                    }
                    try gather.start(bucket)
                    try gather.progress()
                }
                try gather.finish()
                return !gather.isBusy && values.array == (0..<count).map { Self.value(0, $0, round: round) }
            }
        }
        #expect(isRight == Array(repeating: true, count: ranks))
    }

    @Test("features are stacked in rank order, also where ranks have different numbers", arguments: [1, 2, 3, 4])
    func features(ranks: Int) throws {
        for counts in [[Int](repeating: 2, count: ranks), (0..<ranks).map { ($0 + 1) % 3 }] {
            let stacks = try InProcessWorld.run(ranks: ranks) { world in
                let own = Matrix(rows: counts[world.rank], columns: 3)
                own.fill(Float(world.rank + 1))
                let all = ranks > 1 ? Matrix(rows: counts.reduce(0, +), columns: 3) : own
                let exchange = FeatureExchange(.gather(own: own, all: all, counts: counts), world)
                for _ in 0..<2 {
                    try exchange.start()
                    try exchange.finish()
                }
                return all.array
            }
            let expected = counts.enumerated().flatMap { Array(repeating: Float($0 + 1), count: 3 * $1) }
            for stack in stacks { #expect(stack == expected, "\(counts)") }
        }
    }

    @Test("Gram matrices are added up", arguments: [1, 2, 4])
    func grams(ranks: Int) throws {
        let sums = try InProcessWorld.run(ranks: ranks) { world in
            let own = MatrixView<Double>(rows: 2, columns: 2, values: [1, 2, 3, Double(world.rank)])
            let all = ranks > 1 ? MatrixView<Double>(rows: 2, columns: 2) : own
            let exchange = FeatureExchange(.sum(own: own, all: all), world)
            try exchange.start()
            while exchange.isBusy { try exchange.progress() }
            return all.array
        }
        let n = Double(ranks)
        for sum in sums { #expect(sum == [n, 2 * n, 3 * n, n * (n - 1) / 2]) }
    }
}
