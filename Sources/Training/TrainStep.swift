internal import Layers
package import Communication
package import DataParallel
package import ImageData
package import Optimization
package import Runs
package import Tensors

/// One training step, from images to the updated weights.
package final class TrainStep<O: Objective> {
    package let pass: GradientPass<O>
    package let update: WeightUpdate
    package let clock: PhaseClock
    /// Kept with the run's state.
    package var spikeGuard = SpikeGuard()
    /// Updates that the optimizer's moments have seen; kept with the run's state.
    package var optimizerUpdates = 0
    let rules: StepRules
    let communicator: any Communicator
    private let loader: BatchLoader
    private var shares: [O.Figures] = []
    private var message: [Double] = []

    /// - Parameters:
    ///   - loader: this rank's micro-batches, positioned at the first step to run.
    ///   - gradientSum: how ranks add up gradients.
    package init(
        _ objective: O, optimizer: any Optimizer, loader: BatchLoader, rules: StepRules,
        gradientSum: GradientSumConfiguration,
        timeline: Timeline? = nil, communicator: any Communicator, team: Team, plan: MemoryPlan
    ) {
        self.loader = loader
        self.rules = rules
        self.communicator = communicator
        clock = PhaseClock(timeline: timeline)
        pass = GradientPass(
            objective, accumulation: loader.division.plan.accumulation, gradientSum: gradientSum,
            communicator: communicator,
            team: team, clock: clock, plan: plan)
        update = WeightUpdate(
            optimizer, values: objective.parameters.values,
            isShared: gradientSum.shardsOptimizer && communicator.size > 1, reducer: pass.reducer,
            messages: pass.messages, communicator: communicator, team: team, plan: plan)
        shares.reserveCapacity(loader.division.plan.accumulation)
    }

    /// Seconds in which the last step did nothing but communicate gradients, and weights if their updates are shared.
    package var exposedCommunicationSeconds: Double { pass.reducer.exposedSeconds + update.exposedSeconds }

    /// Makes step number `number` of the schedule (from 1). Collective.
    ///
    /// - Parameters:
    ///   - savesAfter: whether this rank wants a checkpoint after it; all ranks learn of it.
    ///   - snapshot: where to leave what weights and moments are before the update.
    package func run(
        _ number: Int, learningRate: Double, savesAfter: Bool = false, savingTo snapshot: OptimizerSnapshot? = nil
    ) throws -> StepOutcome<O.Figures> {
        let start = ContinuousClock.now
        clock.timeline?.step = number
        communicator.mark(step: number)

        // Images become losses and gradients, which leave for the other ranks while earlier layers still have none.
        let microBatches = loader.division.plan.accumulation
        if pass.objective.looksAhead {
            for _ in 0..<microBatches { try pass.lookAhead(at: nextBatch()) }
        }
        shares.removeAll(keepingCapacity: true)
        for _ in 0..<microBatches { shares.append(try pass.differentiate(nextBatch())) }

        // All ranks agree that the step can be made.
        var outcome = try agree(on: O.Figures.sum(shares), step: number, savesAfter: savesAfter)
        clock.enter(.optimizer)
        outcome.gradientNorm = try update.gradientNorm()
        guard outcome.gradientNorm.isFinite else { throw try nonFiniteGradient(step: number) }
        outcome.learningRate = learningRate
        outcome.spike = try judge(outcome, step: number)

        // The weights learn from it.
        if outcome.spike == nil {
            try update.apply(
                step: optimizerUpdates + 1, learningRate: learningRate,
                gradientScale: GradientNorm.clippingScale(norm: outcome.gradientNorm, maximum: rules.clipGradient),
                savingTo: snapshot)
            optimizerUpdates += 1
            outcome.tookSnapshot = snapshot != nil
        }
        clock.enter(.optimizer)
        outcome.seconds = (ContinuousClock.now - start) / .seconds(1)
        return outcome
    }

    /// The next micro-batch. An error here is this rank's alone: its caller ends the others with it.
    private func nextBatch() throws -> Batch {
        clock.enter(.data)
        return try loader.next()
    }

    /// Figures that all ranks add up and agree on before an update.
    package static var agreedFigures: Int { Ballot<O.Figures>.count }

    /// Adds up the shares of all ranks; stops all of them if a loss is not finite.
    private func agree(on own: O.Figures, step: Int, savesAfter: Bool) throws -> StepOutcome<O.Figures> {
        clock.enter(.communication)
        var ballot = Ballot(figures: own, stop: StopRequest.isPending ? 1 : 0, save: savesAfter ? 1 : 0)
        try ballot.sumOverRanks(in: &message, by: pass.sum)
        pass.objective.normalize(&ballot.figures)
        guard ballot.figures.areFinite else { throw try nonFiniteLoss(own, step: step) }
        return StepOutcome(
            images: loader.division.plan.total, figures: ballot.figures, stopRequested: ballot.stop > 0,
            saveRequested: ballot.save > 0)
    }
}

/// What ranks tell each other in one message before each update.
private struct Ballot<Figures: StepFigures>: SummedFigures {
    var figures = Figures()
    /// Ranks that were asked to stop, and that want a checkpoint.
    var stop = 0.0
    var save = 0.0

    mutating func combine(with other: Ballot, _ body: (inout Double, Double) -> Void) {
        figures.combine(with: other.figures, body)
        body(&stop, other.stop)
        body(&save, other.save)
    }
}
