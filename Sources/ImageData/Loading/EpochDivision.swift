package import ImageSources

/// How an epoch is divided into global batches, and which images of each a rank has.
///
/// Global batch s is positions s·G ..< (s+1)·G of the epoch's order, whatever the number of ranks; rank r has the r-th of
/// the equal parts of `plan`, and of that each micro-batch its own. The images left at the end of an epoch, fewer than G,
/// wait for another epoch's order.
package struct EpochDivision: Hashable, Sendable {
    package let imageCount: Int
    package let plan: BatchPlan
    package let rank: Int

    /// - Parameter plan: equal parts.
    /// - Throws: if the global batch is larger than the data set.
    package init(imageCount: Int, _ plan: BatchPlan, rank: Int = 0) throws(ImageDataError) {
        precondition(rank >= 0 && rank < plan.ranks)
        precondition(Set(plan.counts.joined()).count == 1, "micro-batches of an epoch are equal")
        guard plan.total <= imageCount else {
            throw .globalBatchTooLarge(globalBatch: plan.total, imageCount: imageCount)
        }
        self.imageCount = imageCount
        self.plan = plan
        self.rank = rank
    }

    package var stepsPerEpoch: Int { imageCount / plan.total }
    /// Images of one micro-batch on one rank.
    package var microBatch: Int { plan.counts[rank][0] }

    /// The positions in the epoch's order of one micro-batch of this rank.
    package func positions(step: Int, micro: Int = 0) -> Range<Int> {
        precondition(step >= 0 && step < stepsPerEpoch && micro >= 0 && micro < plan.accumulation)
        let start = step * plan.total + plan.rows(of: rank).lowerBound + plan.rows(of: micro, rank: rank).lowerBound
        return start..<start + microBatch
    }
}
