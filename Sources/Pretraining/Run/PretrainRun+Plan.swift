internal import Communication
internal import ImageData
internal import ImageSources
package import Models
package import Runs
package import Tensors
package import TrainingRuns

extension TrainingRun<PretrainTask> {
    /// What the run would hold in memory on this rank, its images included: counted, without any of that memory, so that
    /// a run which does not fit is refused at once. Ranks' plans may differ. Collective.
    ///
    /// - Parameters:
    ///   - saves: whether the run is kept in a directory, for which rank 0 has a copy of weights and moments.
    ///   - others: lays out what the run has besides.
    /// - Throws: on all ranks, `MemoryError` if the ranks of some host do not fit, or what is wrong with the batch.
    package static func plan(
        _ configuration: PretrainConfiguration, _ layout: StepLayout, saves: Bool,
        besides others: (MaskedAutoencoder, MemoryPlan) -> Void = { _, _ in }, on resources: RankResources
    ) throws -> MemoryPlan {
        let communicator = resources.communicator
        try MemoryCheck.refuse(MemoryEstimate(configuration.step, ranks: communicator.size), in: communicator)
        let plan = try communicator.agree {
            try layout.count(configuration.step, saves: saves, besides: others, on: resources).memory
        }
        try MemoryCheck.run(
            plan, held: layout.source.heldBytes,
            remedies: MemoryCheck.Remedies(
                configuration.update, recomputesActivations: layout.compute.recomputesActivations,
                ranks: communicator.size),
            in: communicator)
        return plan
    }
}
