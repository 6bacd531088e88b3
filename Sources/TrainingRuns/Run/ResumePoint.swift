package import Checkpoints
package import Training

/// A checkpoint that a run goes on from, and where it stands.
package struct ResumePoint<Configuration: RunConfiguration, Figures: StepFigures & Codable & Equatable> {
    package let checkpoint: Checkpoint
    package let state: RunState<Configuration, Figures>

    /// - Throws: if the state cannot be read, or is of another kind of run.
    package init(_ checkpoint: Checkpoint) throws {
        self.checkpoint = checkpoint
        state = try RunState(of: checkpoint)
    }
}
