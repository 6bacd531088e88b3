package import Runs
package import Safetensors
package import Training

/// What a training run is about: all that pretraining and fine-tuning have each of their own. What they share is
/// `TrainingRun`.
package protocol TrainingTask: AnyObject {
    associatedtype TrainedObjective: Objective where TrainedObjective.Figures: Codable & Equatable
    associatedtype Configuration: RunConfiguration
    associatedtype Line: EpochRecord

    /// Everything that decides what is computed, what was found of the images included.
    var configuration: Configuration { get }

    /// The average of the weights that the run keeps beside them; nil for none.
    var average: WeightAverage? { get }

    /// Fills the model with what training begins with, the same on every rank but for rounding.
    func initialize() throws
    /// Fills the model from the weights of a checkpoint.
    func load(_ weights: SafetensorsFile) throws

    /// What a person is told of a step.
    func figures(of outcome: StepOutcome<TrainedObjective.Figures>) -> [ProgressLine.Field]

    /// Looks at what an epoch has come to, when its last step is made. Collective; every rank returns the same.
    func line(for state: RunState<Configuration, TrainedObjective.Figures>) throws -> Line
}

extension TrainingTask {
    package var average: WeightAverage? { nil }
}
