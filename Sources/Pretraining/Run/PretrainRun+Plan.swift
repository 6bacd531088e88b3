package import Communication
package import ImageData
package import Tensors
internal import Runs

extension PretrainRun {
    /// What the run would hold in memory on this rank, its images included: counted, without any of that memory, so that
    /// a run which does not fit is refused at once. Ranks' plans may differ. Collective.
    ///
    /// - Parameters:
    ///   - saves: whether the run is kept in a directory, for which rank 0 has a copy of weights and moments.
    ///   - prefetch: micro-batches prepared ahead.
    /// - Throws: on all ranks, `MemoryError` if the ranks of some host do not fit, or what is wrong with the batch.
    package static func plan(
        _ configuration: PretrainConfiguration, source: any ImageSource, saves: Bool, prefetch: Int,
        recomputesActivations: Bool, communicator: any Communicator, team: Team
    ) throws -> MemoryPlan {
        try MemoryCheck.refuse(MemoryEstimate(configuration.step, ranks: communicator.size), in: communicator)
        let layout = StepLayout(
            source: source, statistics: .unknown(channels: source.channels), classes: source.classCount,
            prefetch: prefetch, recomputesActivations: recomputesActivations, timeline: nil)
        let plan = try communicator.agree {
            try layout.count(configuration.step, saves: saves, communicator: communicator, team: team)
        }
        try MemoryCheck.run(
            plan, held: source.heldBytes,
            remedies: MemoryCheck.Remedies(
                configuration.step, recomputesActivations: recomputesActivations, ranks: communicator.size),
            in: communicator)
        return plan
    }
}
