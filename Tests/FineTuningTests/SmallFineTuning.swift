import Checkpoints
import Classification
import Communication
import Evaluation
import Features
import FineTuning
import ImageArrays
import ImageCodecs
import ImageData
import ImageSources
import Layers
import Models
import Runs
import Tensors
import TestSupport
import TrainingRuns

/// A run that fine-tunes a classifier from scratch: 36 images of 8 × 8 in ten classes, 3 steps in an epoch.
struct SmallFineTuning: Sendable {
    var configuration = FineTuneConfiguration()
    /// Of the test set.
    var testImages = 25

    static let size = ImageSize(height: 8, width: 8)

    init() {
        var model = ClassifierConfiguration()
        (model.imageHeight, model.imageWidth, model.patchSize, model.channels) = (8, 8, 4, 1)
        (model.embedDim, model.depth, model.heads, model.classes) = (16, 2, 2, 10)
        // Of so few images, so many that some are without in each step.
        model.dropPath = 0.4
        configuration.model = model
        configuration.update.effectiveBatchSize = 12
        configuration.update.seed = 5
        configuration.schedule.epochs = 2
        configuration.schedule.learningRate = 5e-3
        configuration.schedule.minimumLearningRate = 1e-6
        configuration.classification.averageDecay = 0.75
        (configuration.data.mean, configuration.data.standardDeviation) = ([0.5], [0.25])
    }

    func layout() throws -> FineTuneLayout {
        func images(_ count: Int, seed: UInt64) throws -> SyntheticImages {
            try SyntheticImages(
                SyntheticImageParameters(count: count, channels: 1, size: Self.size, seed: seed), split: .train)
        }
        var compute = ComputeConfiguration()
        compute.workers = 0
        return FineTuneLayout(
            source: try images(36, seed: 1), test: try images(testImages, seed: 2),
            statistics: ChannelStatistics(mean: [0.5], standardDeviation: [0.25]), compute: compute,
            badImages: .fail)
    }

    /// What is left of a run, on one rank.
    struct Outcome: Sendable, Equatable {
        var weights: [Float]
        var average: [Float]?
        var lines: [FineTuneLine]
        var best: BestEpoch?
    }

    /// Runs to the end.
    ///
    /// - Parameters:
    ///   - directory: where rank 0 keeps it, every two steps; nil for nowhere.
    ///   - resume: the path of a checkpoint.
    func outcome(
        on communicator: any Communicator = SingleProcess(), in directory: String? = nil, resuming resume: String? = nil
    ) throws -> Outcome {
        let run = try self.run(on: communicator, saves: directory != nil, resuming: resume)
        let output = try directory.flatMap { path in
            communicator.rank == 0
                ? try RunDirectory(path, retention: .init(keep: 100), resume: nil) : nil
        }
        guard try run.run(in: output, savingEvery: .steps(2)) == .finished else { throw Unfinished() }
        return Outcome(
            weights: run.task.model.parameters.values.array, average: run.task.average?.values.array,
            lines: run.epochs, best: run.best)
    }

    func run(
        from pretrained: PretrainedModel? = nil, on communicator: any Communicator = SingleProcess(),
        saves: Bool = false, resuming resume: String? = nil
    ) throws -> FineTuneRun {
        try FineTuneRun(
            configuration, try layout(), pretrained: pretrained, saves: saves,
            resume: try resume.map { try FineTuneResumePoint(try CheckpointStore.open($0) { _ in }) },
            on: RankResources(communicator, try Team(threads: 1)),
            reporter: Reporter(isSilent: true, isTerminal: false, write: { _ in }))
    }

    private struct Unfinished: Error {}
}
