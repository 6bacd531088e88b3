internal import Checkpoints
internal import Communication
internal import DataParallel
internal import ImageData
package import ImageSources
internal import Layers
internal import Optimization
package import Runs
package import Tensors
package import Training

/// A run of any training: the epochs, what is written down of them, and when weights are kept.
package final class TrainingRun<Task: TrainingTask> {
    package typealias Figures = Task.TrainedObjective.Figures
    package typealias State = RunState<Task.Configuration, Figures>
    package typealias Resuming = ResumePoint<Task.Configuration, Figures>

    package let task: Task
    package let plan: MemoryPlan
    package let stepsPerEpoch: Int
    package let step: TrainStep<Task.TrainedObjective>
    /// The first and the last epoch, for the closing words.
    package private(set) var epochs: [Task.Line] = []
    private let communicator: any Communicator
    private let loader: BatchLoader
    private let reporter: Reporter
    private let saving: RunSaving<State>
    private let ranks: RankReport
    private var state: State
    private let timelinePath: String?

    /// - Parameters:
    ///   - parts: positioned at the first step to run.
    ///   - source: the images that it is trained on.
    ///   - saves: whether checkpoints are to be written, by rank 0.
    ///   - resume: what to go on from, of the same model, seed, batch and images.
    ///   - timeline: a file for it; nil for none.
    package init(
        _ task: Task, _ parts: TrainingParts<Task.TrainedObjective>, of source: any ImageSource, saves: Bool,
        resume: Resuming? = nil, timeline: String? = nil, on resources: RankResources, reporter: Reporter
    ) throws {
        let communicator = resources.communicator
        self.task = task
        self.communicator = communicator
        self.reporter = reporter
        step = parts.step
        loader = parts.loader
        plan = resources.memory
        timelinePath = timeline
        stepsPerEpoch = loader.division.stepsPerEpoch
        let parameters = step.pass.objective.parameters
        let optimizer = step.update.optimizer
        try communicator.agree { try task.initialize() }
        if let resume {
            try communicator.agree(during: .readingCheckpoint) {
                try task.load(resume.checkpoint.weights())
                try optimizer.loadMoments(from: resume.checkpoint.optimizer(), of: parameters)
            }
        }
        // Ranks on other processors may have rounded otherwise; from here on all replicas are one model.
        try communicator.broadcast(parameters.values, from: 0)
        if let average = task.average {
            average.begin()
            if let resume {
                try communicator.agree(during: .readingCheckpoint) {
                    try average.load(from: resume.checkpoint.optimizer())
                }
            }
        }
        state = resume?.state ?? State(beginning: task.configuration, stepsPerEpoch: stepsPerEpoch)
        state.configuration = task.configuration
        state.worldSize = communicator.size
        (state.dataIdentity, state.dataFingerprint) = (source.identity, nil)
        step.spikeGuard = state.spikeGuard
        step.optimizerUpdates = state.optimizerUpdates ?? (resume == nil ? 0 : state.step)
        saving = RunSaving(of: step, task.average, saves: saves, state: state, on: resources)
        ranks = RankReport(step.clock, parts.loader.badImages, in: communicator, reporter)
    }

    package var configuration: Task.Configuration { task.configuration }
    /// The best epoch so far, where epochs are judged.
    package var best: BestEpoch? { state.best }
    /// Updates made so far.
    package var updates: Int { state.step }
    /// The epoch that the next update belongs to.
    package var epoch: Int { state.epoch }
    /// What to change where ranks have waited for images for much of the time; nil where they have not.
    package var adviceOnData: String? { ranks.adviceOnData }

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
    package func run(in output: RunDirectory?, savingEvery interval: CheckpointInterval) throws -> RunEnding {
        saving.begin(in: output, every: interval, step: state.step, say: reporter.say)
        reporter.begin(at: state.step, of: configuration.schedule.epochs * stepsPerEpoch)
        do {
            return try train()
        } catch let failure as any CollectiveError {
            // All ranks are there and leave together: a checkpoint that was due is not lost with them.
            try saving.finish()
            throw failure
        }
    }

    private func train() throws -> RunEnding {
        guard try !StopRequest.isPending(on: communicator) else { return .interrupted }
        let schedule = configuration.schedule
        while state.epoch < schedule.epochs {
            while state.stepInEpoch < stepsPerEpoch {
                let epoch = Double(state.epoch) + Double(state.stepInEpoch) / Double(stepsPerEpoch)
                let outcome = try step.run(
                    state.step + 1, learningRate: schedule.rate(atEpoch: epoch),
                    savesAfter: saving.isDue(step: state.step + 1), savingTo: saving.wanted)
                if outcome.tookSnapshot { saving.write() }
                if outcome.spike == nil { task.average?.follow() }
                try compareReplicas()
                take(outcome)
                saving.look()
                guard state.stepInEpoch < stepsPerEpoch || !isLastEpoch else { break }
                if outcome.stopRequested {
                    try saving.save(state, isDue: true, atOnce: true)
                    return .interrupted
                }
                if outcome.saveRequested && state.stepInEpoch < stepsPerEpoch {
                    try saving.save(state, isDue: true)
                }
            }
            try endEpoch()
        }
        return .finished
    }

    /// Now and then looks whether all ranks still hold the same weights.
    private func compareReplicas() throws {
        let every = configuration.update.replicaCheckEvery
        guard every > 0 && (state.step + 1) % every == 0 else { return }
        try ReplicaCheck.verify(step.pass.objective.parameters.values, step: state.step + 1, communicator)
    }

    /// Notes what a step has done.
    private func take(_ outcome: StepOutcome<Figures>) {
        if let spike = outcome.spike { reporter.note(spike) }
        state.spikeGuard = step.spikeGuard
        state.optimizerUpdates = step.optimizerUpdates
        state.step += 1
        state.stepInEpoch += 1
        state.metrics.add(outcome)
        guard reporter.isDue(after: outcome.images, step: state.step) else { return }
        reporter.step(
            state, of: stepsPerEpoch, task.figures(of: outcome), learningRate: outcome.learningRate,
            waited: step.clock[.data])
    }

    private var isLastEpoch: Bool { state.epoch == configuration.schedule.epochs - 1 }

    private func endEpoch() throws {
        let dataWait = try ranks.report(epoch: state.epoch)
        let line = try task.line(for: state)
        epochs = epochs.isEmpty ? [line] : [epochs[0], line]
        if let merit = line.merit, merit > state.best?.merit ?? -.infinity {
            state.best = BestEpoch(epoch: state.epoch, merit: merit)
        }
        // Agreed, so that ranks of other hosts know what they may wait for.
        try communicator.agree(during: .writingLog) { saving.keeper?.log(line) }
        reporter.epoch(line, dataWait: dataWait)
        state.epoch += 1
        state.stepInEpoch = 0
        state.metrics = EpochMetrics()
        let isLast = state.epoch == configuration.schedule.epochs
        // Steps and minutes may come round at an epoch's end too.
        let isDue = saving.keeper.map { $0.isDue(epochs: state.epoch) || $0.isDue(step: state.step) } ?? false
        try saving.save(state, isDue: isDue || isLast, atOnce: isLast)
    }
}

/// How a run ends.
package enum RunEnding: Sendable {
    case finished
    /// Stopped by a signal; if the run is kept, its newest checkpoint holds the last step.
    case interrupted
}
