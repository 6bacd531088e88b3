internal import Runs
internal import Communication
internal import DataParallel
package import Optimization
package import Tensors

/// From the summed gradients to the new weights of all ranks.
package final class WeightUpdate: TeamJob {
    package let optimizer: any Optimizer
    private let values: Matrix
    private let reducer: GradientReducer
    private let messages: MessagePump
    private let communicator: any Communicator
    private let team: Team
    private let norm: GradientNorm
    /// Gives every rank the weights that the others updated; nil where every rank updates all.
    private let gather: WeightGather?
    /// What the threads do, set before they start.
    private var order = Order(step: 0, learningRate: 0, gradientScale: 1)
    private var squaredNorm = [0.0]

    private struct Order {
        var step: Int
        var learningRate: Double
        var gradientScale: Double
        var range: Range<Int>?
        var snapshot: OptimizerSnapshot?
    }

    /// - Parameters:
    ///   - values: the weights [1, n].
    ///   - isShared: whether ranks share the update.
    init(
        _ optimizer: any Optimizer, values: Matrix, isShared: Bool, reducer: GradientReducer, messages: MessagePump,
        communicator: any Communicator, team: Team, plan: MemoryPlan
    ) {
        precondition(reducer.owned == optimizer.owned, "the optimizer must own what the reducer sums")
        self.optimizer = optimizer
        self.values = values
        self.reducer = reducer
        self.messages = messages
        self.communicator = communicator
        self.team = team
        norm = GradientNorm(of: reducer.gradients, owned: reducer.owned, plan: plan)
        gather = isShared ? WeightGather(communicator, reducer.layout, values: values) : nil
    }

    /// Whether ranks share the update of the weights.
    package var isShared: Bool { gather != nil }
    package var exposedSeconds: Double { gather?.exposedSeconds ?? 0 }

    /// The L2 norm of the summed gradients. Collective.
    func gradientNorm() throws -> Double {
        team.run(norm)
        squaredNorm[0] = norm.squaredNorm
        if isShared { try communicator.allReduce(&squaredNorm, .sum) }
        return squaredNorm[0].squareRoot()
    }

    /// Collective.
    ///
    /// - Parameters:
    ///   - step: updates that the moments have seen, this one included.
    ///   - snapshot: gets what is there before the update. Of ranks that share it each leaves its own weights, and no moments.
    func apply(step: Int, learningRate: Double, gradientScale: Double, savingTo snapshot: OptimizerSnapshot?) throws {
        order = Order(
            step: step, learningRate: learningRate, gradientScale: gradientScale, range: nil, snapshot: snapshot)
        // What is still on its way from here must not change.
        try messages.finish()
        guard let gather else { return team.run(self) }
        for (bucket, range) in reducer.layout.buckets.enumerated() {
            order.range = range
            team.run(self)
            try messages.clock.count(.communication) {
                try gather.start(bucket)
                try gather.progress()
            }
        }
        try messages.clock.count(.communication) { try gather.finish() }
    }

    package func work(by member: TeamMember) {
        if isShared, let snapshot = order.snapshot, let range = order.range {
            // The own share is in the caches when it is updated.
            let (values, copy) = (values.columns(range), snapshot.values.columns(range))
            member.forEachChunk(of: range.count) { copy.columns($0).copy(from: values.columns($0)) }
        }
        optimizer.update(
            reducer.gradients, step: order.step, learningRate: order.learningRate, gradientScale: order.gradientScale,
            within: order.range, savingTo: isShared ? nil : order.snapshot, by: member)
    }
}
