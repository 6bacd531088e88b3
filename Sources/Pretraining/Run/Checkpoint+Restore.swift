internal import Safetensors
internal import Checkpoints
internal import Models
internal import Optimization
package import Runs

extension RunState {
    /// Looks whether a run can go on from here.
    ///
    /// - Parameters:
    ///   - fingerprint: of the images of that run.
    ///   - path: of the checkpoint that this state is of.
    /// - Throws: if it is of another model, seed, effective batch or other data.
    package func checkResuming(
        by configuration: PretrainConfiguration, on fingerprint: UInt32, path: String
    ) throws(RunDirectoryError) {
        if let obstacle = configuration.obstacleToResuming(self.configuration) {
            throw RunDirectoryError(description: "cannot resume from \(path): it is of \(obstacle)")
        }
        guard dataFingerprint == fingerprint else {
            throw RunDirectoryError(
                description: "cannot resume from \(path): it was trained on other images than --data-path now holds")
        }
    }
}

extension Checkpoint {
    /// Fills model and optimizer; returns the state to go on from, under the configuration of `fresh`.
    ///
    /// - Throws: as `checkResuming`, or a file cannot be read.
    func restore(_ model: MaskedAutoencoder, _ optimizer: AdamW, for fresh: RunState) throws -> RunState {
        var saved = try RunState(of: self)
        try saved.checkResuming(by: fresh.configuration, on: fresh.dataFingerprint, path: path)
        try model.loadWeights(from: weights())
        try optimizer.loadMoments(from: self.optimizer(), of: model.parameters)
        saved.configuration = fresh.configuration
        saved.worldSize = fresh.worldSize
        return saved
    }
}
