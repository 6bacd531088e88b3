package import Checkpoints
internal import Models
internal import Optimization

/// A checkpoint that a run goes on from, and where it stands.
package struct ResumePoint {
    package let checkpoint: Checkpoint
    package let state: RunState

    /// - Throws: if the state cannot be read.
    package init(_ checkpoint: Checkpoint) throws {
        self.checkpoint = checkpoint
        state = try RunState(of: checkpoint)
    }

    /// Fills model and optimizer.
    ///
    /// - Throws: if a file cannot be read, or is of another model.
    func restore(_ model: MaskedAutoencoder, _ optimizer: AdamW) throws {
        try model.loadWeights(from: checkpoint.weights())
        try optimizer.loadMoments(from: checkpoint.optimizer(), of: model.parameters)
    }
}
