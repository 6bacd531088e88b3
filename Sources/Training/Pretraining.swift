package import Checkpoints
package import Communication
internal import DataParallel
import Foundation
package import ImageData
internal import Layers
package import Models
internal import Optimization
package import Tensors

/// A pretraining run: the epochs, what is written down of them, and when weights are kept.
package final class Pretraining {
    package let configuration: PretrainConfiguration
    package let plan: MemoryPlan
    package let model: MaskedAutoencoder
    package let stepsPerEpoch: Int
    private let communicator: any Communicator
    private let step: PretrainStep
    private let source: any ImageSource
    private let output: RunDirectory?
    private let reporter: Reporter
    private var state: RunState
    /// Only where there is a run directory: on rank 0.
    private let saver: BackgroundSaver?
    /// Seconds outside communication up to the last epoch's end.
    private var computedBefore = 0.0
    private let timeline: Timeline?
    private let timelinePath: String?

    package enum Ending: Sendable {
        case finished
        /// Stopped by a signal; the checkpoint, if a run directory was given, holds the last step.
        case interrupted
    }

    /// - Parameters:
    ///   - output: where the run is kept; rank 0 alone has one, or none if nothing is kept.
    ///   - resume: a checkpoint to go on from.
    ///   - prefetch: micro-batches prepared ahead.
    package init(
        _ configuration: PretrainConfiguration, source: any ImageSource, statistics: ChannelStatistics,
        output: RunDirectory?, resume: Checkpoint?, prefetch: Int, recomputesActivations: Bool,
        timelinePath: String? = nil, communicator: any Communicator, team: Team, reporter: Reporter
    ) throws {
        let plan = MemoryPlan()
        let division = try communicator.agree {
            try BatchDivision(
                imageCount: source.count, globalBatch: configuration.effectiveBatchSize, rank: communicator.rank,
                worldSize: communicator.size, accumulation: configuration.accumulation)
        }
        self.configuration = configuration
        self.plan = plan
        self.communicator = communicator
        self.source = source
        self.output = output
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
            dataFingerprint: source.fingerprint, metrics: EpochMetrics())
        model.initialize(seed: configuration.seed)
        if let resume {
            let (model, fresh) = (model, state)
            state = try communicator.agree(during: .readingCheckpoint) {
                let state = try resume.restore(model, optimizer, for: fresh)
                try output?.rewindLog(to: state.epoch)
                return state
            }
        }
        // Ranks on other processors may have rounded otherwise; from here on all replicas are one model.
        try communicator.broadcast(model.parameters.values, from: 0)
        let loader = try BatchLoader(
            source: source,
            transform: ImageTransform(
                size: ImageSize(height: configuration.model.imageHeight, width: configuration.model.imageWidth),
                statistics: statistics, augmentation: ImageAugmentation()),
            division: division, repeats: configuration.turnsPerStep, seed: configuration.seed, epoch: state.epoch,
            step: state.stepInEpoch,
            prefetch: prefetch, plan: plan)
        step = PretrainStep(
            configuration, model: model, optimizer: optimizer, classes: source.classCount, loader: loader,
            recomputesActivations: recomputesActivations, timeline: timeline, communicator: communicator, team: team,
            plan: plan)
        step.spikeGuard = state.spikeGuard
        let (model, state) = (model, state)
        let isPatient = communicator.localSize * team.count <= ProcessInfo.processInfo.processorCount
        let saver = output.map {
            BackgroundSaver(
                output: $0, model: model, optimizer: optimizer, state: state, isPatient: isPatient, plan: plan)
        }
        self.saver = saver
        if let saver {
            step.snapshotWanted = { saver.wanted }
            step.snapshotTaken = { try saver.write() }
        }
        // Without a run directory nothing is saved, and nothing collected.
        if communicator.rank != 0 || saver != nil { step.prepareCollection(into: saver?.moments) }
    }

    /// Updates made so far.
    package var updates: Int { state.step }

    /// Writes the timeline, if one was asked for. Collective.
    package func writeTimeline() throws {
        guard let timelinePath else { return }
        try timeline?.write(to: timelinePath, communicator)
    }

    /// Trains to the last epoch, or until a signal asks to stop. Collective.
    package func run() throws -> Ending {
        saver?.prepare()
        reporter.begin(at: state.step, of: configuration.epochs * stepsPerEpoch)
        while state.epoch < configuration.epochs {
            while state.stepInEpoch < stepsPerEpoch {
                let epoch = Double(state.epoch) + Double(state.stepInEpoch) / Double(stepsPerEpoch)
                let outcome = try step.run(
                    update: state.step + 1, learningRate: configuration.schedule.rate(atEpoch: epoch))
                if let spike = outcome.spike { reporter.say("note: \(spike)") }
                state.spikeGuard = step.spikeGuard
                state.step += 1
                state.stepInEpoch += 1
                state.metrics.add(outcome)
                reporter.step(outcome, state: state, stepsPerEpoch: stepsPerEpoch)
                // A failure is left for the next save, where all ranks learn of it.
                if saver?.hasSucceeded == true { try reportSaved() }
                if outcome.stopRequested && !isFinished {
                    try save(atOnce: true)
                    return .interrupted
                }
            }
            try endEpoch()
        }
        return .finished
    }

    private var isFinished: Bool {
        state.epoch == configuration.epochs - 1 && state.stepInEpoch == stepsPerEpoch
    }

    private func endEpoch() throws {
        try reportStragglers()
        let line = LogLine(state)
        try communicator.agree(during: .writingLog) {
            try output?.appendToLog(line)
        }
        reporter.epoch(line)
        state.epoch += 1
        state.stepInEpoch = 0
        state.metrics = EpochMetrics()
        try save(ifDue: true)
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

    /// Starts a checkpoint on rank 0, or writes it at once.
    ///
    /// All ranks learn whether the save before succeeded, or this one if it is written at once.
    private func save(ifDue: Bool = false, atOnce: Bool = false) throws {
        let isLast = state.epoch == configuration.epochs
        let isDue = output.map {
            !ifDue || state.epoch % $0.checkpointEvery == 0 || isLast
                || ($0.keepEvery > 0 && state.epoch % $0.keepEvery == 0)
        }
        // One may still be under way if the updates since were left out.
        try step.finishCollection()
        // The save before may still be reading what moments are collected into.
        try communicator.agree(during: .saving) { if isDue == true { try reportSaved() } }
        if step.sharesUpdate {
            // Only rank 0 knows when.
            var due = [isDue == true ? 1.0 : 0]
            try communicator.allReduce(&due, .sum)
            if due[0] > 0 { try step.collectMoments(atOnce: atOnce || isLast) }
        }
        try communicator.agree(during: .saving) {
            guard isDue == true, let saver else { return }
            saver.request(state)
            if atOnce || isLast {
                try saver.copyAndWrite()
                try reportSaved()
            }
        }
    }

    /// Waits for a save under way and says that it is complete.
    private func reportSaved() throws {
        if let saved = try saver?.finish() { reporter.saved(saved) }
    }
}
