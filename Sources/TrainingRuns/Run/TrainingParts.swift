package import ImageData
package import Tensors
package import Training

/// A step of training, and what gives it its images.
package struct TrainingParts<O: Objective> {
    package let step: TrainStep<O>
    /// Its threads run until it is stopped.
    package let loader: BatchLoader

    package init(step: TrainStep<O>, loader: BatchLoader) {
        self.step = step
        self.loader = loader
    }

    /// Counts the copies that checkpoints are written from.
    ///
    /// - Parameter average: of the weights, if one is kept.
    package func countSnapshot(of average: WeightAverage? = nil, in plan: MemoryPlan) {
        _ = step.update.optimizer.snapshot(of: step.pass.objective.parameters, in: plan)
        _ = average?.copy(in: plan)
    }
}
