internal import Communication
internal import ImageSources
package import Runs
package import Tensors
internal import TrainingRuns

extension FineTuneLayout {
    /// What the run would hold in memory on this rank, counted, so that a run which does not fit is refused at once.
    /// Collective.
    ///
    /// - Parameter saves: whether the run is kept in a directory.
    /// - Throws: on all ranks, `MemoryError` if the ranks of some host do not fit, or what is wrong with the batch.
    package func plan(_ c: FineTuneConfiguration, saves: Bool, on resources: RankResources) throws -> MemoryPlan {
        let world = resources.communicator
        let memory = try world.agree { try count(c, saves: saves, on: resources) }
        try MemoryCheck.run(
            memory, held: source.heldBytes + test.heldBytes,
            remedies: MemoryCheck.Remedies(
                c.update, recomputesActivations: compute.recomputesActivations, ranks: world.size),
            in: world)
        return memory
    }

    /// Nothing is asked for.
    private func count(_ c: FineTuneConfiguration, saves: Bool, on resources: RankResources) throws -> MemoryPlan {
        let counting = resources.counting
        let parts = try make(c, on: counting)
        if saves && resources.communicator.rank == 0 {
            parts.training.countSnapshot(of: parts.average, in: counting.memory)
        }
        counting.memory.add(.data, "images", bytes: source.heldBytes)
        counting.memory.add(.data, "test images", bytes: test.heldBytes)
        return counting.memory
    }
}
