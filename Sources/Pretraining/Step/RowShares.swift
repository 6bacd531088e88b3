/// Divides a batch among ranks in contiguous parts.
package enum RowShares {
    /// Rows of each rank; the first ranks take one more where the division leaves a rest.
    package static func counts(of total: Int, ranks: Int) -> [Int] {
        (0..<ranks).map { total / ranks + ($0 < total % ranks ? 1 : 0) }
    }

    package static func range(of rank: Int, in counts: [Int]) -> Range<Int> {
        let start = counts[..<rank].reduce(0, +)
        return start..<start + counts[rank]
    }
}
