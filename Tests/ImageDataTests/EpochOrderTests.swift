import ImageData
import ImageSources
import Testing

@Suite("Order and division of an epoch")
struct EpochOrderTests {
    private func indices(_ order: EpochOrder) -> [Int] { (0..<order.count).map { order[$0] } }

    @Test("each epoch is another permutation of all images", arguments: [1, 2, 10, 1000])
    func permutation(count: Int) {
        var order = EpochOrder(count: count, seed: 1)
        let first = indices(order)
        #expect(first.sorted() == Array(0..<count))
        order.move(to: 3)
        #expect(indices(order).sorted() == Array(0..<count))
        if count >= 10 {
            #expect(indices(order) != first && first != Array(0..<count))
            #expect(indices(EpochOrder(count: count, seed: 2)) != first)
        }
        #expect(indices(EpochOrder(count: count, seed: 1, epoch: 3)) == indices(order))
        order.move(to: 0)
        #expect(indices(order) == first)
    }

    @Test("every image reaches every place equally often")
    func uniformity() {
        var counts = [Int](repeating: 0, count: 25)
        var order = EpochOrder(count: 5, seed: 1)
        for epoch in 0..<5000 {
            order.move(to: epoch)
            for place in 0..<5 { counts[5 * place + order[place]] += 1 }
        }
        // Binomial: 1000 ± 28 standard; five of them.
        for count in counts { #expect(abs(count - 1000) < 142) }
    }

    @Test(
        "shares of any number of ranks and micro-batches make the same global batch", arguments: [1, 2, 4, 8], [1, 3])
    func shares(worldSize: Int, accumulation: Int) throws {
        let single = try EpochDivision(imageCount: 103, BatchPlan(globalBatch: 48))
        #expect(single.stepsPerEpoch == 2 && single.microBatch == 48)
        for step in 0..<2 {
            var positions: [Int] = []
            for rank in 0..<worldSize {
                let division = try EpochDivision(
                    imageCount: 103, BatchPlan(globalBatch: 48, ranks: worldSize, accumulation: accumulation),
                    rank: rank)
                #expect(division.stepsPerEpoch == 2)
                for micro in 0..<accumulation { positions += division.positions(step: step, micro: micro) }
            }
            #expect(positions == Array(single.positions(step: step)) && positions == Array(48 * step..<48 * step + 48))
        }
    }

    @Test("batches that cannot be divided are refused")
    func refused() {
        #expect(throws: ImageDataError.indivisibleGlobalBatch(globalBatch: 12, worldSize: 4, accumulation: 2)) {
            try BatchPlan(globalBatch: 12, ranks: 4, accumulation: 2)
        }
        #expect(throws: ImageDataError.globalBatchTooLarge(globalBatch: 12, imageCount: 11)) {
            try EpochDivision(imageCount: 11, BatchPlan(globalBatch: 12))
        }
        #expect(throws: ImageDataError.self) { try BatchPlan(globalBatch: 0) }
    }

    @Test("what cannot be divided into equal parts is divided into nearly equal ones, without gaps")
    func unequal() {
        let plan = BatchPlan(dividing: 11, ranks: 3, accumulation: 2)
        #expect(plan.counts == [[2, 2], [2, 2], [2, 1]])
        #expect(plan.total == 11 && plan.rankTotals == [4, 4, 3] && plan.rankCounts(of: 1) == [2, 2, 1])
        #expect(plan.rows(of: 2) == 8..<11 && plan.rows(of: 1, rank: 2) == 2..<3 && plan.largest(of: 2) == 2)
    }
}
