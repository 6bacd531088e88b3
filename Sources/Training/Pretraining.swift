package import Checkpoints
package import Communication
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
        communicator: any Communicator, team: Team, reporter: Reporter
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
        stepsPerEpoch = division.stepsPerEpoch
        model = MaskedAutoencoder(
            configuration.model, configuration.precision, classes: source.classCount,
            keepsPackedWeights: configuration.accumulation > 1, plan: plan)
        let optimizer = AdamW(model.parameters, configuration: configuration.optimizer, plan: plan)
        state = RunState(
            configuration: configuration, step: configuration.startEpoch * division.stepsPerEpoch,
            epoch: configuration.startEpoch, stepInEpoch: 0, worldSize: communicator.size,
            dataFingerprint: source.fingerprint, metrics: EpochMetrics())
        model.initialize(seed: configuration.seed)
        if let resume {
            let (model, fresh) = (model, state)
            state = try communicator.agree {
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
            recomputesActivations: recomputesActivations, communicator: communicator, team: team, plan: plan)
    }

    /// Updates made so far.
    package var updates: Int { state.step }

    /// Trains to the last epoch, or until a signal asks to stop. Collective.
    package func run() throws -> Ending {
        reporter.begin(at: state.step, of: configuration.epochs * stepsPerEpoch)
        while state.epoch < configuration.epochs {
            while state.stepInEpoch < stepsPerEpoch {
                let epoch = Double(state.epoch) + Double(state.stepInEpoch) / Double(stepsPerEpoch)
                let outcome = try step.run(
                    update: state.step + 1, learningRate: configuration.schedule.rate(atEpoch: epoch))
                state.step += 1
                state.stepInEpoch += 1
                state.metrics.add(outcome)
                reporter.step(outcome, state: state, stepsPerEpoch: stepsPerEpoch)
                if outcome.stopRequested && !isFinished {
                    try save()
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
        let line = LogLine(state)
        try communicator.agree {
            try output?.appendToLog(line)
        }
        reporter.epoch(line)
        state.epoch += 1
        state.stepInEpoch = 0
        state.metrics = EpochMetrics()
        try save(ifDue: true)
    }

    /// Writes a checkpoint on rank 0; the others wait, so that all know whether it succeeded.
    private func save(ifDue: Bool = false) throws {
        try communicator.agree {
            guard let output else { return }
            let isDue = state.epoch % output.checkpointEvery == 0 || state.epoch == configuration.epochs
            guard isDue || !ifDue else { return }
            let saved = try output.save(model, step.optimizer, state)
            reporter.saved(saved)
        }
    }
}
