internal import DataParallel
internal import ImageData
internal import Models
internal import Optimization
internal import Runs
internal import Tensors
package import Training
internal import TrainingRuns

/// A step of pretraining.
///
/// files → decoded image → augmented batch → patches → encoder → decoder → reconstruction loss, and class features →
/// exchanged across ranks → uniformity loss → backward → gradients summed → all ranks agree → AdamW.
package typealias PretrainStep = TrainStep<PretrainObjective>

extension TrainStep<PretrainObjective> {
    /// - Parameter loader: this rank's micro-batches, positioned at the first step to run.
    convenience init(
        _ configuration: StepConfiguration, model: MaskedAutoencoder, optimizer: AdamW, classes: Int?,
        loader: BatchLoader, _ compute: ComputeConfiguration, on resources: RankResources
    ) {
        let (communicator, team, memory) = (resources.communicator, resources.team, resources.memory)
        var options = PassOptions()
        options.kept = compute.recomputesActivations ? .inputs : .activations
        let objective = PretrainObjective(
            model, loss: configuration.loss, classes: classes, batch: loader.division.plan,
            masks: .drawn(seed: configuration.seed), options: options,
            sumsInTree: configuration.gradientExchange.fixedShards > 0, communicator: communicator, team: team,
            memory: memory)
        // What is only counted takes no memory for a timeline either.
        let timeline = compute.timeline != nil && memory.isBacked ? Timeline() : nil
        self.init(
            objective, optimizer: optimizer, loader: loader, rules: configuration.update.rules,
            gradientSum: configuration.gradientExchange, timeline: timeline, communicator: communicator, team: team,
            plan: memory)
    }
}
