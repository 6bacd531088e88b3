internal import Tensors

/// Buckets that travel: how one is started, and how one finds out that its sum is there.
protocol BucketTransport: AnyObject {
    /// The sums [1, n], each valid once its bucket is done.
    var sums: Matrix { get }
    /// Sends a bucket whose gradients are done. All ranks start all buckets in the same order.
    func start(_ bucket: Int) throws
    /// Whether there is anything to let move, or to tell.
    var isBusy: Bool { get }
    /// Lets messages move; calls `done` with each bucket whose sum is there since the last call.
    func progress(_ done: (Int) -> Void) throws
    /// Waits for all.
    func finish(_ done: (Int) -> Void) throws
    /// The ranks whose own terms of the sums are known here, until the next step, not to be finite.
    var nonFiniteRanks: Set<Int> { get }
}
