package import Communication
internal import DataParallel
import Foundation
package import ImageData
internal import Layers
package import Models
package import Optimization
package import Tensors
package import Runs

/// What one update did; the same on every rank.
package struct StepOutcome: Sendable {
    package var images = 0
    /// Means over the global batch.
    package var reconstruction = 0.0
    package var uniformity = 0.0
    package var spectral = 0.0
    package var crossEntropy = 0.0
    /// Images that the online classifier got right; nil where there is none, since images have no labels.
    package var correct: Double?
    package var learningRate = 0.0
    package var gradientNorm = 0.0
    package var seconds = 0.0
    /// Why the update was left out, if it was.
    package var spike: String?
    /// Whether any rank was asked to stop.
    package var stopRequested = false
    /// Whether rank 0 wants a checkpoint of what is now.
    package var saveRequested = false
}

/// A loss or gradient that is not finite, or far from what it was; every rank throws it, before anything was updated.
package struct NonFiniteError: CollectiveError {
    package let description: String
}

/// One training step, from images to the updated weights.
///
/// files → decoded image → augmented batch → patches → encoder → decoder → reconstruction loss, and class features →
/// exchanged across ranks → uniformity loss → backward → gradients summed → all ranks agree → AdamW.
package final class PretrainStep {
    package let model: MaskedAutoencoder
    package let optimizer: AdamW
    package let clock: PhaseClock
    private let configuration: PretrainConfiguration
    private let communicator: any Communicator
    private let team: Team
    private let pass: GradientPass
    private let hasClassifier: Bool
    private let loader: BatchLoader
    private let gradientNorm: GradientNorm
    private var sums = [Double](repeating: 0, count: 7)
    /// What the threads work on, set before they start; made once, so that starting them allocates nothing.
    private var maskingJob: (TeamMember) -> Void = { _ in }
    private var normJob: (TeamMember) -> Void = { _ in }
    private var updateJob: (TeamMember) -> Void = { _ in }
    private var batch: Batch?
    /// Where the next update is to leave what weights and moments were before it, if anywhere; and told that it did.
    var snapshotWanted: (() -> AdamW.Snapshot?)?
    var snapshotTaken: (() -> Void)?
    /// Kept with the run's state.
    package var spikeGuard = SpikeGuard()
    /// Updates that the optimizer's moments have seen; kept with the run's state.
    package var optimizerUpdates = 0
    private var pending = (
        step: 0, learningRate: 0.0, gradientScale: 1.0, range: Range<Int>?.none, snapshot: AdamW.Snapshot?.none
    )
    private var shares: [LossShares] = []
    /// Where each rank updates its share of the weights.
    private let weightGather: WeightGather?
    private var squaredNorm = [0.0]

    /// - Parameter loader: this rank's micro-batches, positioned at the first step to run.
    package init(
        _ configuration: PretrainConfiguration, model: MaskedAutoencoder, optimizer: AdamW, classes: Int?,
        loader: BatchLoader, recomputesActivations: Bool, timeline: Timeline? = nil, communicator: any Communicator,
        team: Team, plan: MemoryPlan
    ) {
        self.configuration = configuration
        self.model = model
        self.optimizer = optimizer
        self.communicator = communicator
        self.team = team
        self.loader = loader
        hasClassifier = classes != nil
        clock = PhaseClock(timeline: timeline)
        let images = configuration.effectiveBatchSize / communicator.size / configuration.accumulation
        var options = PassOptions()
        options.recomputes = recomputesActivations
        pass = GradientPass(
            model, loss: configuration.loss, classes: classes,
            division: MicroBatches(
                images: images, ranks: communicator.size, accumulation: configuration.accumulation), options: options,
            exchange: configuration.gradientExchange, communicator: communicator, team: team, clock: clock, plan: plan)
        let reducer = pass.reducer
        precondition(reducer.owned == optimizer.owned, "the optimizer must own what the reducer sums")
        gradientNorm = GradientNorm(of: reducer.gradients, owned: reducer.owned, plan: plan)
        weightGather =
            configuration.gradientExchange.shardsOptimizer && communicator.size > 1
            ? WeightGather(communicator, reducer.layout, values: model.parameters.values) : nil
        shares.reserveCapacity(configuration.accumulation)
        maskingJob = { [unowned self] in drawMasks(by: $0) }
        normJob = { [unowned self] in gradientNorm.measure(by: $0) }
        updateJob = { [unowned self] in update(by: $0) }
    }

    /// Seconds in which the last step did nothing but communicate gradients, and weights if their updates are shared.
    package var exposedCommunicationSeconds: Double {
        pass.reducer.exposedSeconds + (weightGather?.exposedSeconds ?? 0)
    }

    /// Whether ranks share the update of the weights.
    var sharesUpdate: Bool { weightGather != nil }

    /// Brings the moments of all ranks together on rank 0 while the next step computes, or at once. Collective.
    func collectMoments(atOnce: Bool) throws {
        try pass.collection?.start()
        if atOnce { try finishCollection() }
    }

    /// Collective.
    func finishCollection() throws { try pass.collection?.finish() }

    /// Where rank 0 wants the moments of all ranks, if each has a share of them; nil on the others. All ranks call it.
    func prepareCollection(into moments: [Matrix]?) {
        guard sharesUpdate else { return }
        pass.collection = ShareCollection(
            communicator, pass.reducer.layout, shares: [optimizer.firstMoment, optimizer.secondMoment], wholes: moments)
    }

    /// Makes step number `update` of the schedule (from 1). Collective.
    ///
    /// - Parameter savesAfter: whether this rank wants a checkpoint after it; all ranks learn of it.
    package func run(update: Int, learningRate: Double, savesAfter: Bool = false) throws -> StepOutcome {
        let start = ContinuousClock.now
        clock.timeline?.step = update
        communicator.mark(step: update)
        shares.removeAll(keepingCapacity: true)
        if pass.collects {
            for micro in 0..<configuration.accumulation {
                let batch = try nextBatch()
                try pass.collect(batch.images, micro: micro)
            }
        }
        for micro in 0..<configuration.accumulation {
            let batch = try nextBatch()
            shares.append(try pass.accumulate(batch.images, labels: batch.labels, micro: micro))
        }
        var outcome = try agree(on: LossShares.sum(shares), update: update, savesAfter: savesAfter)
        clock.lap(.communication)

        team.run(normJob)
        squaredNorm[0] = gradientNorm.squaredNorm
        if weightGather != nil { try communicator.allReduce(&squaredNorm, .sum) }
        outcome.gradientNorm = squaredNorm[0].squareRoot()
        guard outcome.gradientNorm.isFinite else {
            throw try nonFiniteGradient(update: update)
        }
        outcome.learningRate = learningRate
        if let spike = try judge(outcome, update: update) {
            outcome.spike = spike
            outcome.seconds = (ContinuousClock.now - start) / .seconds(1)
            return outcome
        }
        let scale = GradientNorm.clippingScale(norm: outcome.gradientNorm, maximum: configuration.clipGradient)
        pending = (optimizerUpdates + 1, learningRate, scale, nil, snapshotWanted?())
        try updateWeights()
        optimizerUpdates += 1
        if pending.snapshot != nil { snapshotTaken?() }
        let every = configuration.replicaCheckEvery
        if every > 0 && update % every == 0 {
            try ReplicaCheck.verify(model.parameters.values, step: update, communicator)
            clock.lap(.communication)
        }
        outcome.seconds = (ContinuousClock.now - start) / .seconds(1)
        return outcome
    }

    private func update(by member: TeamMember) {
        if sharesUpdate, let snapshot = pending.snapshot, let range = pending.range {
            // The own share is in the caches when it is updated. Moments were collected.
            let (values, copy) = (model.parameters.values.columns(range), snapshot.values.columns(range))
            member.forEachChunk(of: range.count) { copy.columns($0).copy(from: values.columns($0)) }
        }
        optimizer.update(
            pass.reducer.gradients, step: pending.step, learningRate: pending.learningRate,
            gradientScale: pending.gradientScale, within: pending.range,
            savingTo: sharesUpdate ? nil : pending.snapshot, by: member)
    }

    private func updateWeights() throws {
        guard let weightGather else {
            team.run(updateJob)
            clock.lap(.optimizer)
            return
        }
        try finishCollection()
        clock.lap(.communication)
        let buckets = pass.reducer.layout.buckets
        for bucket in buckets.indices {
            pending.range = buckets[bucket]
            team.run(updateJob)
            clock.lap(.optimizer)
            try weightGather.start(bucket)
            try weightGather.progress()
            clock.lap(.communication)
        }
        try weightGather.finish()
        clock.lap(.communication)
    }

    /// Why this update is left out, if it is. All ranks see the same figures and decide alike.
    private func judge(_ outcome: StepOutcome, update: Int) throws -> String? {
        guard configuration.spikeGuard != .none else { return nil }
        let loss = outcome.reconstruction + configuration.loss.weight * outcome.uniformity
        guard
            let spike = spikeGuard.judge(
                loss: loss, gradientNorm: outcome.gradientNorm, threshold: configuration.spikeThreshold)
        else { return nil }
        guard configuration.spikeGuard == .skip && spikeGuard.consecutive < Self.mostSkipped else {
            throw NonFiniteError(
                description: "the \(spike) at step \(update)"
                    + (configuration.spikeGuard == .skip ? ", the \(Self.mostSkipped)th in a row" : "")
                    + ": training stopped before the update; look at the data, lower --lr, or raise --spike-threshold")
        }
        return "step \(update) left out: \(spike)"
    }

    private static var mostSkipped: Int { 10 }

    /// The next micro-batch, its masks drawn. An error here is this rank's alone: its caller ends the others with it.
    private func nextBatch() throws -> Batch {
        clock.lap(.optimizer)
        let batch = try loader.next()
        self.batch = batch
        team.run(maskingJob)
        clock.lap(.data)
        return batch
    }

    private func drawMasks(by member: TeamMember) {
        guard let batch else { return }
        let masking = pass.activations(for: batch.micro).masking
        member.forEachChunk(of: batch.samples.rows) {
            masking.draw(seed: configuration.seed, epoch: batch.epoch, samples: batch.samples, images: $0)
        }
    }

    /// Adds up the shares of all ranks; stops all of them if a loss is not finite.
    private func agree(on shares: LossShares, update: Int, savesAfter: Bool) throws -> StepOutcome {
        sums[0] = shares.reconstruction
        sums[1] = shares.uniformity
        sums[2] = shares.crossEntropy
        sums[3] = Double(shares.correct)
        sums[4] = StopRequest.isPending ? 1 : 0
        sums[5] = shares.spectral
        sums[6] = savesAfter ? 1 : 0
        try pass.sum(&sums)
        sums[1] /= pass.divisors.loss
        sums[5] /= pass.divisors.spectral
        guard sums[0].isFinite && sums[1].isFinite && sums[2].isFinite else {
            throw try nonFiniteError(shares, update: update)
        }
        return StepOutcome(
            images: configuration.effectiveBatchSize, reconstruction: sums[0], uniformity: sums[1],
            spectral: sums[5], crossEntropy: sums[2], correct: hasClassifier ? sums[3] : nil,
            stopRequested: sums[4] > 0, saveRequested: sums[6] > 0)
    }

    /// Names the ranks whose own part of the gradient is at fault. Collective.
    private func nonFiniteGradient(update: Int) throws -> NonFiniteError {
        let suspects = pass.reducer.nonFiniteRanks
        let reports = try communicator.allGather(
            (0..<communicator.size).map { suspects.contains($0) ? 1 : 0 })
        let ranks = (0..<communicator.size).filter { rank in reports.contains { $0[rank] != 0 } }.map(String.init)
        let place = ranks.isEmpty ? "the sum of all ranks'" : "that of rank \(ranks.joined(separator: ", "))"
        return NonFiniteError(
            description: "the gradient is not finite at step \(update)"
                + (communicator.size > 1 ? " (\(place))" : "") + " while the losses are: training stopped before the "
                + "update; lower --lr, or set --clip-grad, and --resume auto from the last checkpoint")
    }

    private func nonFiniteError(_ shares: LossShares, update: Int) throws -> NonFiniteError {
        let named = [
            ("reconstruction loss", shares.reconstruction), ("regulariser", shares.uniformity),
            ("classifier's cross-entropy", shares.crossEntropy),
        ]
        let bad = named.filter { !$0.1.isFinite }.map { "\($0.0) is \($0.1.isNaN ? "not a number" : "infinite")" }
        let reports = try communicator.allGather(Array(bad.joined(separator: ", ").utf8))
        let lines = reports.enumerated().filter { !$0.element.isEmpty }.map {
            "rank \($0.offset): \(String(decoding: $0.element, as: UTF8.self))"
        }
        return NonFiniteError(
            description: "a loss is not finite at step \(update) (\(lines.joined(separator: "; "))): training stopped "
                + "before the update; look at the data, lower --lr, or set --clip-grad")
    }
}
