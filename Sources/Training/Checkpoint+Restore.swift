internal import Checkpoints
internal import Models
internal import Optimization

extension Checkpoint {
    /// Fills model and optimizer; returns the state to go on from, under the configuration of `fresh`.
    ///
    /// - Throws: if the checkpoint belongs to another model, seed, effective batch or other data.
    func restore(_ model: MaskedAutoencoder, _ optimizer: AdamW, for fresh: RunState) throws -> RunState {
        var saved = try RunState(of: self)
        if let obstacle = fresh.configuration.obstacleToResuming(saved.configuration) {
            throw RunDirectoryError(description: "cannot resume from \(path): it is of \(obstacle)")
        }
        guard saved.dataFingerprint == fresh.dataFingerprint else {
            throw RunDirectoryError(
                description: "cannot resume from \(path): it was trained on other images than --data-path now holds")
        }
        try model.loadWeights(from: weights())
        try optimizer.loadMoments(from: self.optimizer(), of: model.parameters)
        saved.configuration = fresh.configuration
        saved.worldSize = fresh.worldSize
        return saved
    }
}
