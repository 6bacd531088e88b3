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

    /// Counts the copy of weights and moments that checkpoints are written from.
    package func countSnapshot(in plan: MemoryPlan) {
        _ = step.update.optimizer.snapshot(of: step.pass.objective.parameters, in: plan)
    }
}
