package import Classification
internal import Evaluation
package import Features
internal import ImageData
package import Runs
internal import Training
package import TrainingRuns

/// A run that fine-tunes a classifier.
package typealias FineTuneRun = TrainingRun<FineTuneTask>
package typealias FineTuneState = RunState<FineTuneConfiguration, ClassificationFigures>
package typealias FineTuneResumePoint = ResumePoint<FineTuneConfiguration, ClassificationFigures>

extension TrainingRun<FineTuneTask> {
    /// - Parameters:
    ///   - pretrained: what the encoder begins with; nil for numbers drawn from the seed, and where the run is resumed.
    ///   - saves: whether checkpoints are to be written, by rank 0.
    ///   - resume: what to go on from, of the same model, seed, batch and images.
    package convenience init(
        _ configuration: FineTuneConfiguration, _ layout: FineTuneLayout, pretrained: PretrainedModel?, saves: Bool,
        resume: FineTuneResumePoint? = nil, on resources: RankResources, reporter: Reporter
    ) throws {
        var configuration = configuration
        configuration.data.mean = layout.statistics.mean
        configuration.data.standardDeviation = layout.statistics.standardDeviation
        let position = resume.map { ($0.state.epoch, $0.state.stepInEpoch) } ?? (configuration.schedule.startEpoch, 0)
        let parts = try layout.make(configuration, at: position, on: resources)
        let task = FineTuneTask(configuration, parts, pretrained: pretrained)
        try self.init(
            task, parts.training, of: layout.source, saves: saves, resume: resume, timeline: layout.compute.timeline,
            on: resources, reporter: reporter)
    }
}
