internal import Communication
internal import DataParallel
import Foundation
internal import ImageData
internal import ImageSources
internal import Layers
package import Models
internal import Optimization
package import Runs
package import Tensors
internal import Training

/// A pretraining run: the epochs, what is written down of them, and when weights are kept.
package final class PretrainRun {
    package let configuration: PretrainConfiguration
    package let plan: MemoryPlan
    package let model: MaskedAutoencoder
    package let stepsPerEpoch: Int
    let communicator: any Communicator
    let step: PretrainStep
    let loader: BatchLoader
    private let source: any ImageSource
    let reporter: Reporter
    private(set) var state: RunState
    /// Only where checkpoints are written: on rank 0.
    private let saver: BackgroundSaver<RunState>?
    private let snapshot: OptimizerSnapshot?
    /// Where ranks share the update, and checkpoints are written: brings their moments together on rank 0.
    private let momentGather: MomentGather?
    private var keeper: RunKeeper<RunState>?
    /// This rank's seconds up to the last epoch's end: outside communication, waiting for images, in all.
    var ranksBefore = (computed: 0.0, waited: 0.0, total: 0.0)
    /// By epoch, the share of its time that the rank which waited longest for images has waited for them.
    var waits: [Double] = []
    /// Images of which it was said that they are skipped; on rank 0.
    var skipped: Set<Int> = []
    private let timelinePath: String?
    /// What looks at the features, and after how many epochs; after the last one in any case.
    package var evaluation: (by: any FeatureEvaluation, every: Int)?

    package enum Ending: Sendable {
        case finished
        /// Stopped by a signal; if the run is kept, its newest checkpoint holds the last step.
        case interrupted
    }

    /// - Parameters:
    ///   - saves: whether checkpoints are to be written, by rank 0.
    ///   - resume: what to go on from, of the same model, seed, batch and images.
    package init(
        _ configuration: PretrainConfiguration, _ layout: StepLayout, saves: Bool, resume: ResumePoint? = nil,
        on resources: RankResources, reporter: Reporter
    ) throws {
        let communicator = resources.communicator
        var configuration = configuration
        configuration.mean = layout.statistics.mean
        configuration.standardDeviation = layout.statistics.standardDeviation
        let position = resume.map { ($0.state.epoch, $0.state.stepInEpoch) } ?? (configuration.startEpoch, 0)
        let parts = try layout.make(configuration.step, at: position, on: resources)
        self.configuration = configuration
        self.communicator = communicator
        self.reporter = reporter
        source = layout.source
        plan = resources.memory
        timelinePath = layout.compute.timeline
        model = parts.model
        step = parts.step
        loader = parts.loader
        stepsPerEpoch = loader.division.stepsPerEpoch
        model.initialize(seed: configuration.seed)
        if let resume {
            try communicator.agree(during: .readingCheckpoint) { try resume.restore(parts.model, parts.optimizer) }
        }
        // Ranks on other processors may have rounded otherwise; from here on all replicas are one model.
        try communicator.broadcast(model.parameters.values, from: 0)
        state = resume?.state ?? RunState(beginning: configuration, stepsPerEpoch: stepsPerEpoch)
        state.configuration = configuration
        state.worldSize = communicator.size
        (state.dataIdentity, state.dataFingerprint) = (source.identity, nil)
        step.spikeGuard = state.spikeGuard
        step.optimizerUpdates = state.optimizerUpdates ?? (resume == nil ? 0 : state.step)

        // The copy that checkpoints are written from, rank 0's.
        let snapshot = saves && communicator.rank == 0 ? parts.snapshot(in: plan) : nil
        let isPatient = communicator.localSize * resources.team.count <= ProcessInfo.processInfo.processorCount
        self.snapshot = snapshot
        saver = snapshot.map { [state] in
            BackgroundSaver($0, of: parts.model, parts.optimizer, state: state, isPatient: isPatient)
        }
        momentGather =
            saves && step.update.isShared
            ? MomentGather(
                communicator, step.pass.reducer.layout, shares: parts.optimizer.moments, wholes: snapshot?.moments)
            : nil
        step.pass.messages.add(momentGather.map { [$0] } ?? [])
    }

    /// Updates made so far.
    package var updates: Int { state.step }
    /// The epoch that the next update belongs to.
    package var epoch: Int { state.epoch }

    /// Writes the timeline, if one was asked for. Collective.
    package func writeTimeline() throws {
        guard let timelinePath else { return }
        try step.clock.timeline?.write(to: timelinePath, communicator)
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
                if let spike = outcome.spike { reporter.note(spike) }
                state.spikeGuard = step.spikeGuard
                state.optimizerUpdates = step.optimizerUpdates
                state.step += 1
                state.stepInEpoch += 1
                state.metrics.add(outcome)
                reporter.step(
                    outcome, state: state, stepsPerEpoch: stepsPerEpoch, hasClassifier: source.classCount != nil,
                    waited: step.clock[.data])
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
        let dataWait = try reportRanks()
        let line = LogLine(state, hasClassifier: source.classCount != nil, heldOut: try evaluate())
        // Agreed, so that ranks of other hosts know what they may wait for.
        try communicator.agree(during: .writingLog) { keeper?.log(line) }
        reporter.epoch(line, dataWait: dataWait)
        state.epoch += 1
        state.stepInEpoch = 0
        state.metrics = EpochMetrics()
        let isLast = state.epoch == configuration.epochs
        // Steps and minutes may come round at an epoch's end too.
        let isDue = keeper.map { $0.isDue(epochs: state.epoch) || $0.isDue(step: state.step) } ?? false
        try save(isDue: isDue || isLast, atOnce: isLast)
    }

    /// What the features are worth after this epoch, where that is looked at. Collective.
    private func evaluate() throws -> HeldOutFigures? {
        guard let evaluation, isLastEpoch || (state.epoch + 1) % evaluation.every == 0 else { return nil }
        return try evaluation.by.evaluate(model.encoder)
    }

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
