package import Communication
internal import DataParallel
package import ImageData
package import Models
package import Optimization
package import Runs
package import Tensors
package import Training

/// A step of pretraining.
///
/// files → decoded image → augmented batch → patches → encoder → decoder → reconstruction loss, and class features →
/// exchanged across ranks → uniformity loss → backward → gradients summed → all ranks agree → AdamW.
package typealias PretrainStep = TrainStep<PretrainObjective>

extension TrainStep<PretrainObjective> {
    /// - Parameter loader: this rank's micro-batches, positioned at the first step to run.
    package convenience init(
        _ configuration: StepConfiguration, model: MaskedAutoencoder, optimizer: AdamW, classes: Int?,
        loader: BatchLoader, recomputesActivations: Bool, timeline: Timeline? = nil, communicator: any Communicator,
        team: Team, plan: MemoryPlan
    ) {
        var options = PassOptions()
        options.recomputes = recomputesActivations
        let objective = PretrainObjective(
            model, loss: configuration.loss, classes: classes, batch: loader.division.plan,
            masks: .drawn(seed: configuration.seed), options: options,
            sumsInTree: configuration.gradientExchange.fixedShards > 0, communicator: communicator, team: team,
            memory: plan)
        self.init(
            objective, optimizer: optimizer, loader: loader, rules: configuration.rules,
            gradientSum: configuration.gradientExchange, timeline: timeline, communicator: communicator, team: team,
            plan: plan)
    }
}
