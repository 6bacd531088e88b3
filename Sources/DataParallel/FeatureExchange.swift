package import Communication
package import Tensors

/// Brings class features, or their Gram matrices, of all ranks together while something else is computed.
package final class FeatureExchange: InFlight {
    /// What travels.
    package enum Content {
        /// Rows of every rank, stacked in rank order; `counts` says how many each has.
        case gather(own: Matrix, all: Matrix, counts: [Int])
        /// Sums of equal matrices.
        case sum(own: MatrixView<Double>, all: MatrixView<Double>)
    }

    private let content: Content
    private let communicator: any Communicator
    private let slot = CollectiveSlot()

    package init(_ content: Content, _ communicator: any Communicator) {
        self.content = content
        self.communicator = communicator
    }

    /// Collective.
    package func start() throws {
        guard communicator.size > 1 else { return }
        switch content {
        case .gather(let own, let all, let counts):
            if counts.allSatisfy({ $0 == own.rows }) {
                try communicator.startAllGather(own, into: all, in: slot)
            } else {
                try communicator.allGather(own, rowCounts: counts, into: all)
            }
        case .sum(let own, let all): try communicator.startAllReduce(send: own, receive: all, in: slot)
        }
    }

    package var isBusy: Bool { !slot.isDone }

    package func progress() throws { try slot.test() }

    package func finish() throws { try slot.wait() }
}
