package import ImageSources

/// How the images of one update are divided: contiguous parts for the ranks, and each rank's for its micro-batches.
package struct BatchPlan: Hashable, Sendable {
    /// Images by rank and micro-batch.
    package let counts: [[Int]]

    /// - Parameter images: of every micro-batch on every rank.
    package init(images: Int, ranks: Int = 1, accumulation: Int = 1) {
        precondition(images > 0 && ranks > 0 && accumulation > 0)
        counts = [[Int]](repeating: [Int](repeating: images, count: accumulation), count: ranks)
    }

    /// Equal parts.
    ///
    /// - Throws: if `globalBatch` is not a multiple of ranks × micro-batches.
    package init(globalBatch: Int, ranks: Int = 1, accumulation: Int = 1) throws(ImageDataError) {
        guard globalBatch > 0 && globalBatch.isMultiple(of: ranks * accumulation) else {
            throw .indivisibleGlobalBatch(globalBatch: globalBatch, worldSize: ranks, accumulation: accumulation)
        }
        self.init(images: globalBatch / (ranks * accumulation), ranks: ranks, accumulation: accumulation)
    }

    /// As equal as can be: first over ranks, then each rank's over micro-batches. The first parts have one image more where
    /// the division leaves a rest.
    package init(dividing images: Int, ranks: Int, accumulation: Int = 1) {
        func parts(_ total: Int, _ count: Int) -> [Int] {
            (0..<count).map { total / count + ($0 < total % count ? 1 : 0) }
        }
        counts = parts(images, ranks).map { parts($0, accumulation) }
    }

    package var ranks: Int { counts.count }
    /// Micro-batches of each rank.
    package var accumulation: Int { counts.first?.count ?? 0 }
    /// Images of all ranks.
    package var total: Int { counts.reduce(0) { $0 + $1.reduce(0, +) } }
    /// Images of each rank, in all its micro-batches.
    package var rankTotals: [Int] { counts.map { $0.reduce(0, +) } }
    /// Images of each rank in micro-batch `micro`.
    package func rankCounts(of micro: Int) -> [Int] { counts.map { $0[micro] } }
    /// Images of a rank's largest micro-batch.
    package func largest(of rank: Int) -> Int { counts[rank].reduce(0, max) }

    /// A rank's images among those of all ranks.
    package func rows(of rank: Int) -> Range<Int> {
        let first = counts[..<rank].reduce(0) { $0 + $1.reduce(0, +) }
        return first..<first + counts[rank].reduce(0, +)
    }

    /// The images of a micro-batch among those of its rank.
    package func rows(of micro: Int, rank: Int) -> Range<Int> {
        let first = counts[rank][..<micro].reduce(0, +)
        return first..<first + counts[rank][micro]
    }
}
