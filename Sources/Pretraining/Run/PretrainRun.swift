internal import ImageData
internal import ImageSources
package import Models
package import Runs
internal import Training
package import TrainingRuns

/// A pretraining run.
package typealias PretrainRun = TrainingRun<PretrainTask>
package typealias PretrainState = RunState<PretrainConfiguration, PretrainFigures>
package typealias PretrainResumePoint = ResumePoint<PretrainConfiguration, PretrainFigures>

extension TrainingRun<PretrainTask> {
    /// - Parameters:
    ///   - saves: whether checkpoints are to be written, by rank 0.
    ///   - resume: what to go on from, of the same model, seed, batch and images.
    package convenience init(
        _ configuration: PretrainConfiguration, _ layout: StepLayout, saves: Bool, resume: PretrainResumePoint? = nil,
        on resources: RankResources, reporter: Reporter
    ) throws {
        var configuration = configuration
        configuration.mean = layout.statistics.mean
        configuration.standardDeviation = layout.statistics.standardDeviation
        let position = resume.map { ($0.state.epoch, $0.state.stepInEpoch) } ?? (configuration.startEpoch, 0)
        let parts = try layout.make(configuration.step, at: position, on: resources)
        let task = PretrainTask(configuration, parts.model, hasClassifier: layout.source.classCount != nil)
        try self.init(
            task, parts, of: layout.source, saves: saves, resume: resume, timeline: layout.compute.timeline,
            on: resources, reporter: reporter)
    }

    package var model: MaskedAutoencoder { task.model }
}
