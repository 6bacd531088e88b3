/// How a row of gradients is divided: into buckets, each of which travels by itself, and each bucket into one part for
/// every rank. It depends on nothing but the three numbers, so all ranks agree on it.
package struct BucketLayout: Sendable {
    package let count: Int
    package let ranks: Int
    /// Contiguous ranges that cover 0 ..< count, the last elements first: the order in which backward is done with them.
    package let buckets: [Range<Int>]
    private let bucketElements: Int

    /// Parts start on cache lines.
    private static var alignment: Int { 16 }

    /// - Parameters:
    ///   - count: gradients.
    ///   - bucketElements: of a bucket, at most; rounded up to what gives every rank whole cache lines.
    package init(count: Int, ranks: Int, bucketElements: Int) {
        precondition(count >= 0 && ranks >= 1 && bucketElements >= 1)
        let unit = ranks * Self.alignment
        let size = (bucketElements + unit - 1) / unit * unit
        self.count = count
        self.ranks = ranks
        self.bucketElements = size
        // Cut from the start, so that all but the last elements' bucket are whole.
        buckets = stride(from: 0, to: count, by: size).reversed().map { $0..<min($0 + size, count) }
    }

    /// The buckets that hold elements of `range`.
    package func buckets(of range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty else { return 0..<0 }
        let last = buckets.count - 1
        return last - (range.upperBound - 1) / bucketElements..<last - range.lowerBound / bucketElements + 1
    }

    /// The elements of a bucket that belong to `rank`; the last ranks of a short bucket may have none.
    package func part(of bucket: Int, rank: Int) -> Range<Int> {
        let whole = buckets[bucket]
        let size = ((whole.count + ranks - 1) / ranks + Self.alignment - 1) / Self.alignment * Self.alignment
        let start = min(whole.lowerBound + rank * size, whole.upperBound)
        return start..<min(start + size, whole.upperBound)
    }

    /// The parts of all ranks, relative to the bucket's first element.
    func parts(within bucket: Int) -> [Range<Int>] {
        let start = buckets[bucket].lowerBound
        return (0..<ranks).map {
            let part = part(of: bucket, rank: $0)
            return part.lowerBound - start..<part.upperBound - start
        }
    }

    /// All elements that belong to `rank`, in order.
    package func parts(of rank: Int) -> [Range<Int>] {
        buckets.indices.reversed().map { part(of: $0, rank: rank) }.filter { !$0.isEmpty }
    }
}
