internal import Safetensors
internal import Checkpoints
internal import Models
internal import Optimization

extension Checkpoint {
    /// Fills model and optimizer; returns the state to go on from, under the configuration of `fresh`.
    ///
    /// - Throws: if a file cannot be read, or is of another model.
    func restore(_ model: MaskedAutoencoder, _ optimizer: AdamW, for fresh: RunState) throws -> RunState {
        var saved = try RunState(of: self)
        try model.loadWeights(from: weights())
        try optimizer.loadMoments(from: self.optimizer(), of: model.parameters)
        saved.configuration = fresh.configuration
        saved.worldSize = fresh.worldSize
        (saved.dataIdentity, saved.dataFingerprint) = (fresh.dataIdentity, nil)
        return saved
    }
}
