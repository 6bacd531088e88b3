internal import Tensors
import Synchronization

/// Collectives whose slots went while MPI was still at work on them, as when ranks leave together because of a failure: their
/// memory stays until they are over.
package enum UnfinishedCollectives {
    /// A request and what it reads and writes.
    struct Collective: @unchecked Sendable {
        let request: Storage<UInt64>
        let buffers: [AnyObject?]
        let isOver: () throws(CommunicationError) -> Bool
    }

    private static let kept = Mutex<[Collective]>([])

    static func keep(_ collective: Collective) { kept.withLock { $0.append(collective) } }

    /// Waits for all of them, for `seconds` at most; ranks that leave together have all begun the same. Returns how many
    /// are left, whose memory is never given back. Collective.
    package static func finish(within seconds: Double) -> Int {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var left = kept.withLock { $0 }
        while !left.isEmpty && ContinuousClock.now < deadline {
            // What fails is over too: there is nobody left to tell.
            left.removeAll { (try? $0.isOver()) ?? true }
        }
        kept.withLock { $0 = left }
        return left.count
    }
}
