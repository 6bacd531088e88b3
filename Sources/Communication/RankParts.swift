internal import Tensors

/// The part of each rank in a row of elements, in memory that stays until a collective that reads it is done.
package final class RankParts: Sendable {
    package let ranges: [Range<Int>]
    let counts: Storage<Int32>
    let offsets: Storage<Int32>

    /// - Parameter ranges: by rank, of a bucket, which has 2^28 elements at most.
    package init(_ ranges: [Range<Int>]) {
        self.ranges = ranges
        counts = Storage(count: ranges.count)
        offsets = Storage(count: ranges.count)
        for (rank, range) in ranges.enumerated() {
            unsafe counts.address[rank] = Int32(range.count)
            unsafe offsets.address[rank] = Int32(range.lowerBound)
        }
    }
}
