import DataParallel
import Tensors
import Testing

@Suite("Gradients are divided into buckets, and buckets among ranks")
struct BucketLayoutTests {
    static let shapes = [
        (1, 1, 1), (5, 2, 1), (1000, 3, 100), (1000, 8, 128), (1023, 4, 64), (64, 1, 64), (65, 8, 1000),
    ]

    @Test("every element is in one bucket and belongs to one rank", arguments: shapes)
    func cover(count: Int, ranks: Int, bucketElements: Int) {
        let layout = BucketLayout(count: count, ranks: ranks, bucketElements: bucketElements)
        #expect(layout.buckets.reversed().flatMap(Array.init) == Array(0..<count))
        var owners = [Int](repeating: -1, count: count)
        for rank in 0..<ranks {
            for range in layout.parts(of: rank) {
                for index in range {
                    #expect(owners[index] == -1)
                    owners[index] = rank
                }
            }
        }
        #expect(!owners.contains(-1))
        for (bucket, whole) in layout.buckets.enumerated() {
            let parts = (0..<ranks).map { layout.part(of: bucket, rank: $0) }
            #expect(parts.first?.lowerBound == whole.lowerBound && parts.last?.upperBound == whole.upperBound)
            #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        }
    }

    @Test("the buckets of a range are those that overlap it", arguments: shapes)
    func bucketsOfRange(count: Int, ranks: Int, bucketElements: Int) {
        let layout = BucketLayout(count: count, ranks: ranks, bucketElements: bucketElements)
        for start in stride(from: 0, to: count, by: max(1, count / 17)) {
            for end in [start, start + 1, min(start + 100, count), count] where end <= count {
                let expected = layout.buckets.indices.filter {
                    layout.buckets[$0].overlaps(start..<end) && end > start
                }
                #expect(Array(layout.buckets(of: start..<end)) == expected)
            }
        }
    }

    @Test("a tree of micro-batches has the same bits however many ranks share them")
    func tree() throws {
        let (count, terms) = (37, 8)
        var random = SampleRandom(seed: 9, epoch: 0, sample: 0, purpose: .initialization)
        let all = (0..<terms).map { _ in (0..<count).map { _ in Float(random.uniform(-1, 1)) } }
        let team = try Team(threads: 2)
        /// The sum of some of the terms, as one rank forms it.
        func sum(_ own: ArraySlice<[Float]>) -> [Float] {
            let gradients = Matrix(rows: 1, columns: count)
            let tree = GradientTree(gradients, terms: own.count, plan: MemoryPlan())
            for (index, values) in own.enumerated() {
                gradients.copy(from: values)
                if index < own.count - 1 { team.run { tree.keep(term: index, by: $0) } }
            }
            tree.complete(0..<10)
            tree.complete(10..<count)
            return gradients.array
        }
        let whole = sum(all[...])
        for ranks in [2, 4, 8] {
            let share = terms / ranks
            let sums = (0..<ranks).map { sum(all[$0 * share..<($0 + 1) * share]) }
            let total = GradientTree.sum(sums) { a, b in zip(a, b).map { $0 + $1 } } ?? []
            #expect(total.map(\.bitPattern) == whole.map(\.bitPattern), "\(ranks) ranks")
        }
        // One after another is another sum.
        let inOrder = all.dropFirst().reduce(all[0]) { a, b in zip(a, b).map { $0 + $1 } }
        #expect(inOrder.map(\.bitPattern) != whole.map(\.bitPattern))
    }
}
