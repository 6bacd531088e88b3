internal import Training
package import Checkpoints
package import Communication
internal import DataParallel
import Foundation
package import ImageData
internal import Layers
package import Models
internal import Optimization
package import Tensors
package import Runs

/// A pretraining run: the epochs, what is written down of them, and when weights are kept.
package final class PretrainRun {
    package let configuration: PretrainConfiguration
    package let plan: MemoryPlan
    package let model: MaskedAutoencoder
    package let stepsPerEpoch: Int
    private let communicator: any Communicator
    private let step: PretrainStep
    private let source: any ImageSource
    private let reporter: Reporter
    private var state: RunState
    /// Only where checkpoints are written: on rank 0.
    private let saver: BackgroundSaver<RunState>?
    private let snapshot: OptimizerSnapshot?
    /// Where ranks share the update, and checkpoints are written: brings their moments together on rank 0.
    private let momentGather: MomentGather?
    private var keeper: RunKeeper<RunState>?
    /// Seconds outside communication up to the last epoch's end.
    private var computedBefore = 0.0
    private let timeline: Timeline?
    private let timelinePath: String?

    package enum Ending: Sendable {
        case finished
        /// Stopped by a signal; if the run is kept, its newest checkpoint holds the last step.
        case interrupted
    }

    /// - Parameters:
    ///   - statistics: what images are normalised with; kept with the configuration.
    ///   - saves: whether checkpoints are to be written, by rank 0.
    ///   - resume: a checkpoint to go on from.
    ///   - prefetch: micro-batches prepared ahead.
    package init(
        _ configuration: PretrainConfiguration, source: any ImageSource, statistics: ChannelStatistics,
        saves: Bool, resume: Checkpoint?, prefetch: Int, recomputesActivations: Bool,
        timelinePath: String? = nil, communicator: any Communicator, team: Team, reporter: Reporter
    ) throws {
        var configuration = configuration
        configuration.mean = statistics.mean
        configuration.standardDeviation = statistics.standardDeviation
        let plan = MemoryPlan()
        let division = try communicator.agree {
            try EpochDivision(
                imageCount: source.count, configuration.step.batchPlan(ranks: communicator.size),
                rank: communicator.rank)
        }
        self.configuration = configuration
        self.plan = plan
        self.communicator = communicator
        self.source = source
        self.reporter = reporter
        self.timelinePath = timelinePath
        timeline = timelinePath.map { _ in Timeline() }
        stepsPerEpoch = division.stepsPerEpoch
        model = MaskedAutoencoder(
            configuration.model, configuration.precision, classes: source.classCount,
            keepsPackedWeights: configuration.accumulation > 1, plan: plan)
        let optimizer = AdamW(
            model.parameters,
            owned: configuration.gradientExchange.owned(
                count: model.parameters.values.count, rank: communicator.rank, ranks: communicator.size),
            configuration: configuration.optimizer, plan: plan)
        state = RunState(
            configuration: configuration, step: configuration.startEpoch * division.stepsPerEpoch,
            epoch: configuration.startEpoch, stepInEpoch: 0, worldSize: communicator.size,
            dataIdentity: source.identity, metrics: EpochMetrics())
        model.initialize(seed: configuration.seed)
        if let resume {
            let (model, fresh) = (model, state)
            state = try communicator.agree(during: .readingCheckpoint) {
                try resume.restore(model, optimizer, for: fresh)
            }
        }
        // Ranks on other processors may have rounded otherwise; from here on all replicas are one model.
        try communicator.broadcast(model.parameters.values, from: 0)
        let loader = try BatchLoader(
            source: source,
            transform: ImageTransform(
                size: ImageSize(height: configuration.model.imageHeight, width: configuration.model.imageWidth),
                statistics: statistics, augmentation: ImageAugmentation()),
            division: division, repeats: configuration.step.turnsPerStep, seed: configuration.seed, epoch: state.epoch,
            step: state.stepInEpoch,
            prefetch: prefetch, plan: plan)
        step = PretrainStep(
            configuration.step, model: model, optimizer: optimizer, classes: source.classCount, loader: loader,
            recomputesActivations: recomputesActivations, timeline: timeline, communicator: communicator, team: team,
            plan: plan)
        step.spikeGuard = state.spikeGuard
        step.optimizerUpdates = resume == nil ? 0 : state.optimizerUpdates ?? state.step
        let (model, state) = (model, state)
        let isPatient = communicator.localSize * team.count <= ProcessInfo.processInfo.processorCount
        let snapshot =
            saves && communicator.rank == 0
            ? OptimizerSnapshot(count: model.parameters.values.count, names: AdamW.momentNames, plan: plan) : nil
        self.snapshot = snapshot
        saver = snapshot.map {
            BackgroundSaver($0, of: model, optimizer, state: state, isPatient: isPatient)
        }
        momentGather =
            saves && step.update.isShared
            ? MomentGather(
                communicator, step.pass.reducer.layout, shares: optimizer.moments, wholes: snapshot?.moments) : nil
        step.pass.messages.add(momentGather.map { [$0] } ?? [])
    }

    /// Updates made so far.
    package var updates: Int { state.step }
    /// The epoch that the next update belongs to.
    package var epoch: Int { state.epoch }

    /// Writes the timeline, if one was asked for. Collective.
    package func writeTimeline() throws {
        guard let timelinePath else { return }
        try timeline?.write(to: timelinePath, communicator)
    }

    /// Trains to the last epoch, or until a signal asks to stop. Collective.
    ///
    /// - Parameters:
    ///   - output: where the run is kept; rank 0 alone has one, if the run saves.
    ///   - interval: how often it is saved; the last epoch always has a checkpoint.
    package func run(in output: RunDirectory?, savingEvery interval: CheckpointInterval) throws -> Ending {
        if let saver, let output {
            let keeper = RunKeeper(
                output: output, saver: saver, interval: interval, step: state.step, say: reporter.say)
            self.keeper = keeper
        }
        reporter.begin(at: state.step, of: configuration.epochs * stepsPerEpoch)
        do {
            return try train()
        } catch let failure as any CollectiveError {
            // All ranks are there and leave together: a checkpoint that was due is not lost with them.
            try momentGather?.finish()
            try communicator.agree(during: .saving) { keeper?.wait() }
            throw failure
        }
    }

    private func train() throws -> Ending {
        guard try !StopRequest.isPending(on: communicator) else { return .interrupted }
        while state.epoch < configuration.epochs {
            while state.stepInEpoch < stepsPerEpoch {
                let epoch = Double(state.epoch) + Double(state.stepInEpoch) / Double(stepsPerEpoch)
                let outcome = try step.run(
                    state.step + 1, learningRate: configuration.schedule.rate(atEpoch: epoch),
                    savesAfter: keeper?.isDue(step: state.step + 1) ?? false,
                    savingTo: saver?.isRequested == true ? snapshot : nil)
                // Written here and now where the system refuses a thread.
                if outcome.tookSnapshot { communicator.during(.saving) { saver?.write() } }
                try compareReplicas()
                if let spike = outcome.spike { reporter.say("note: \(spike)") }
                state.spikeGuard = step.spikeGuard
                state.optimizerUpdates = step.optimizerUpdates
                state.step += 1
                state.stepInEpoch += 1
                state.metrics.add(outcome)
                reporter.step(
                    outcome, state: state, stepsPerEpoch: stepsPerEpoch, hasClassifier: source.classCount != nil)
                communicator.during(.saving) { keeper?.look() }
                guard state.stepInEpoch < stepsPerEpoch || !isLastEpoch else { break }
                if outcome.stopRequested {
                    try save(isDue: true, atOnce: true)
                    return .interrupted
                }
                if outcome.saveRequested && state.stepInEpoch < stepsPerEpoch { try save(isDue: true) }
            }
            try endEpoch()
        }
        return .finished
    }

    /// Now and then looks whether all ranks still hold the same weights.
    private func compareReplicas() throws {
        let every = configuration.replicaCheckEvery
        guard every > 0 && (state.step + 1) % every == 0 else { return }
        try ReplicaCheck.verify(model.parameters.values, step: state.step + 1, communicator)
    }

    private var isLastEpoch: Bool { state.epoch == configuration.epochs - 1 }

    private func endEpoch() throws {
        try reportStragglers()
        let line = LogLine(state, hasClassifier: source.classCount != nil)
        // Agreed, so that ranks of other hosts know what they may wait for.
        try communicator.agree(during: .writingLog) { keeper?.log(line) }
        reporter.epoch(line)
        state.epoch += 1
        state.stepInEpoch = 0
        state.metrics = EpochMetrics()
        let isLast = state.epoch == configuration.epochs
        // Steps and minutes may come round at an epoch's end too.
        let isDue = keeper.map { $0.isDue(epochs: state.epoch) || $0.isDue(step: state.step) } ?? false
        try save(isDue: isDue || isLast, atOnce: isLast)
    }

    /// Says which ranks compute much longer than the others, who then wait for them at every step.
    private func reportStragglers() throws {
        guard communicator.size > 1 else { return }
        let total = PhaseClock.Phase.allCases.reduce(0) { $0 + ($1 == .communication ? 0 : step.clock[$1]) }
        var seconds = [Double](repeating: 0, count: communicator.size)
        seconds[communicator.rank] = total - computedBefore
        computedBefore = total
        try communicator.allReduce(&seconds, .sum)
        let median = seconds.sorted()[seconds.count / 2]
        // Of two the median is the slower one.
        let usual = seconds.count == 2 ? seconds.min() ?? median : median
        for (rank, own) in seconds.enumerated() where own > Self.stragglerFactor * usual && own - usual > 1 {
            reporter.say(
                "note: rank \(rank) computed for \(Reporter.time(own)) in epoch \(state.epoch), others for "
                    + "\(Reporter.time(usual)): its host may be slower, or shared")
        }
    }

    private static var stragglerFactor: Double { 1.25 }

    /// Starts a checkpoint on rank 0, or writes it at once. Collective.
    ///
    /// - Parameters:
    ///   - isDue: rank 0 decides; what the others say does not count.
    ///   - atOnce: the same on all ranks: all wait until it is written, and throw if it cannot be.
    private func save(isDue: Bool, atOnce: Bool = false) throws {
        // Moments may still be under way if the updates since were left out.
        try momentGather?.finish()
        // The save before may still be reading what moments are collected into.
        try communicator.agree(during: .saving) { if isDue { keeper?.wait() } }
        if let momentGather {
            var due = [isDue && keeper != nil ? 1.0 : 0]
            try communicator.allReduce(&due, .sum)
            if due[0] > 0 {
                try momentGather.start()
                if atOnce { try momentGather.finish() }
            }
        }
        if isDue { keeper?.request(state) }
        if atOnce { try communicator.agree(during: .saving) { try keeper?.finish() } }
    }
}
