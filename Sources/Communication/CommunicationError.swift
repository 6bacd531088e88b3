/// An MPI call that failed.
package struct CommunicationError: Error, CustomStringConvertible {
    package let call: String
    package let reason: String
    package let rank: Int

    package init(call: String, reason: String, rank: Int) {
        self.call = call
        self.reason = reason
        self.rank = rank
    }

    package var description: String { "\(call) failed on rank \(rank): \(reason)" }
}
