internal import Layers
package import Communication
package import DataParallel
package import ImageData
package import Runs
package import Tensors

/// Forward and backward over the global batch of one update, of which each rank holds a part and may see it in several
/// micro-batches: the losses and their gradient, summed over ranks and micro-batches.
///
/// Where the objective looks ahead, every micro-batch is first given to `lookAhead`, and then again, with the same images
/// and masks, to `differentiate`.
package final class GradientPass<O: Objective>: TeamJob {
    package let objective: O
    package let reducer: GradientReducer
    package let messages: MessagePump
    private let accumulation: Int
    /// Adds up micro-batches where the order of sums is fixed.
    private let tree: GradientTree?
    private let communicator: any Communicator
    private let team: Team
    /// What the threads work on, set before they start.
    private var turn = Turn(micro: 0, isAhead: false)
    /// The micro-batch's figures, written by the first thread.
    private var figures = O.Figures()

    private struct Turn {
        var micro: Int
        var isAhead: Bool
    }

    /// - Parameter accumulation: micro-batches of an update.
    package init(
        _ objective: O, accumulation: Int, gradientSum: GradientSumConfiguration = .init(),
        communicator: any Communicator,
        team: Team, clock: PhaseClock, plan: MemoryPlan
    ) {
        let gradients = objective.parameters.gradients
        self.objective = objective
        self.accumulation = accumulation
        self.communicator = communicator
        self.team = team
        reducer = GradientReducer(communicator, gradientSum, gradients: gradients, plan: plan)
        tree = gradientSum.fixedShards == 0 ? nil : GradientTree(gradients, terms: accumulation, plan: plan)
        messages = MessagePump(clock)
        messages.add(objective.messages + [reducer])
        if let timeline = clock.timeline {
            reducer.onBucket = { timeline.add(.bucket, from: $0, to: $1, bytes: $2) }
        }
    }

    /// Looks at one micro-batch before the first is differentiated. Collective.
    package func lookAhead(at batch: Batch) throws { try work(on: batch, isAhead: true) }

    /// Adds one micro-batch to the gradients. Collective.
    ///
    /// Weights have changed before micro-batch 0, and gradients start anew with it. With the last, gradients are sent as they
    /// are done, and all are there when it returns.
    ///
    /// - Returns: this rank's shares of the losses.
    package func differentiate(_ batch: Batch) throws -> O.Figures {
        try work(on: batch, isAhead: false)
        if isLast { try messages.clock.count(.communication) { try reducer.finish() } }
        return figures
    }

    /// Adds up over ranks, in the order that is fixed if one is. Collective.
    package func sum(_ values: inout [Double]) throws {
        if tree == nil { try communicator.allReduce(&values, .sum) } else { try communicator.treeSum(&values) }
    }

    /// The figures of the global batch, from this rank's shares of all its micro-batches. Collective.
    package func figures(ofShares shares: [O.Figures]) throws -> O.Figures {
        var figures = O.Figures.sum(shares)
        var message: [Double] = []
        try figures.sumOverRanks(in: &message, by: sum)
        objective.normalize(&figures)
        return figures
    }

    private func work(on batch: Batch, isAhead: Bool) throws {
        communicator.noteProgress()
        turn = Turn(micro: batch.micro, isAhead: isAhead)
        objective.take(batch)
        team.run(self, attending: communicator.size > 1 ? messages : nil)
        try messages.throwFailure()
    }

    /// One thread's part of a micro-batch.
    package func work(by member: TeamMember) {
        var context = objective.contexts[member.index]
        guard !turn.isAhead else { return objective.lookAhead(in: context, messages) }
        let startsAnew = turn.micro == 0 || tree != nil
        context.addsToWeightGradients = !startsAnew
        if startsAnew { member.serially { objective.parameters.clearSummedGradients() } }
        let figures = objective.differentiate(in: context, messages, done: send)
        if member.isFirst { self.figures = figures }
        if !isLast { tree?.keep(term: turn.micro, by: member) }
    }

    private var isLast: Bool { turn.micro == accumulation - 1 }

    /// Hands a finished range of the gradients to the reducer.
    private func send(_ range: Range<Int>) {
        guard isLast else { return }
        tree?.complete(range)
        messages.attempt { try reducer.ready(range) }
    }
}
