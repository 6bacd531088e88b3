package import Checkpoints
package import ImageSources
package import Optimization
internal import Runs
package import Training

/// What a checkpoint holds besides tensors: where the run stands, bit for bit.
package struct RunState<Configuration: RunConfiguration, Figures: StepFigures & Codable & Equatable>: RunProgress {
    /// What kind of run this is of; see `RunConfiguration.kind`.
    package private(set) var kind = Configuration.kind
    package var configuration: Configuration
    /// Steps made of the schedule, those before `--start-epoch` and updates that were left out included.
    package var step: Int
    /// Updates that AdamW's moments have seen, its t; nil in a state of before it was kept, where it is `step`.
    package var optimizerUpdates: Int?
    package var epoch: Int
    /// Updates made within the epoch.
    package var stepInEpoch: Int
    package var worldSize: Int
    /// Of the images, so that other data are noticed; nil in a state of before it was kept.
    package var dataIdentity: DataIdentity?
    /// What states of before `dataIdentity` have in its place, and no other: see `ImageSource.earlierFingerprint`.
    package var dataFingerprint: UInt32?
    /// What updates have been like, so that a spike is known as one after a restart too.
    package var spikeGuard = SpikeGuard()
    /// Sums over the steps of the epoch so far.
    package var metrics = EpochMetrics<Figures>()
    /// The best epoch so far; nil where epochs are not judged, and before the first is over.
    package var best: BestEpoch?
}

/// An epoch, and how good the model was after it.
package struct BestEpoch: Codable, Equatable, Sendable {
    package let epoch: Int
    package let merit: Double
}

extension RunState {
    /// Before the first step.
    init(beginning configuration: Configuration, stepsPerEpoch: Int) {
        let first = configuration.schedule.startEpoch
        self.init(
            configuration: configuration, step: first * stepsPerEpoch, epoch: first, stepInEpoch: 0, worldSize: 1)
    }

    /// The state in a checkpoint, whichever version wrote it: settings that it does not have are what they were before there
    /// were such settings, which is their default.
    ///
    /// - Throws: also if it is of another kind of run.
    package init(of checkpoint: Checkpoint) throws {
        let found = try checkpoint.kindOfRun()
        guard found == Configuration.kind else {
            throw RunDirectoryError(
                description: "cannot resume from \(checkpoint.path): it is of a run of "
                    + "\(found ?? "pretrain"), not of \(Configuration.kind ?? "pretrain")")
        }
        self = try checkpoint.state(
            completedFrom: RunState(beginning: Configuration(), stepsPerEpoch: 0),
            requiring: ["step", "epoch", "stepInEpoch"])
    }

    /// Whether the run was trained on these images, as far as the state knows.
    package func isOf(_ source: any ImageSource) -> Bool {
        if let dataIdentity { return dataIdentity == source.identity }
        return dataFingerprint != nil && dataFingerprint == source.earlierFingerprint
    }
}

/// Sums of a step's figures over an epoch.
package struct EpochMetrics<Figures: StepFigures & Codable & Equatable>: Codable, Equatable, Sendable {
    package var steps = 0
    package var images = 0
    package var figures = Figures()
    package var learningRate = 0.0
    package var gradientNorm = 0.0
    package var seconds = 0.0

    package init() {}

    mutating func add(_ step: StepOutcome<Figures>) {
        steps += 1
        images += step.images
        figures += step.figures
        learningRate += step.learningRate
        gradientNorm += step.gradientNorm
        seconds += step.seconds
    }
}

/// Beside the figures.
private enum EpochMetricsKeys: String, CodingKey { case steps, images, learningRate, gradientNorm, seconds }

extension EpochMetrics {
    /// The figures stand beside the others, as they did when checkpoints were first written.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: EpochMetricsKeys.self)
        steps = try container.decode(Int.self, forKey: .steps)
        images = try container.decode(Int.self, forKey: .images)
        figures = try Figures(from: decoder)
        learningRate = try container.decode(Double.self, forKey: .learningRate)
        gradientNorm = try container.decode(Double.self, forKey: .gradientNorm)
        seconds = try container.decode(Double.self, forKey: .seconds)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: EpochMetricsKeys.self)
        try container.encode(steps, forKey: .steps)
        try container.encode(images, forKey: .images)
        try figures.encode(to: encoder)
        try container.encode(learningRate, forKey: .learningRate)
        try container.encode(gradientNorm, forKey: .gradientNorm)
        try container.encode(seconds, forKey: .seconds)
    }
}
