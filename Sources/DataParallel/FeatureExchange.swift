package import Communication
package import Tensors

/// How the gradient of the regulariser treats the features of other ranks.
package enum UniformityGradient: String, Codable, CaseIterable, Sendable {
    /// The gradient of the global loss: the same update at any rank count.
    case exact
    /// The public U-MAE code's: its gather keeps only the own slot of the gradient and gradients are then averaged,
    /// so the uniformity gradient is the exact one divided by the number of ranks.
    case reference

    package func factor(worldSize: Int) -> Double { self == .exact ? 1 : 1 / Double(worldSize) }
}

/// Which features a micro-batch is compared with.
package enum Negatives: String, Codable, CaseIterable, Sendable {
    /// Those of the whole effective batch: all ranks and all micro-batches of the update.
    case effective
    /// Those of the same micro-batch, on all ranks.
    case micro
}

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
