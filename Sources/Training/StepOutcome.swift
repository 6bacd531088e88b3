internal import Communication
package import Optimization

/// What one update did; the same on every rank.
package struct StepOutcome<Figures: StepFigures>: Sendable {
    /// Images of the global batch, and what was found of them.
    package var images = 0
    package var figures = Figures()
    package var learningRate = 0.0
    package var gradientNorm = 0.0
    package var seconds = 0.0
    /// Why the update was left out, if it was.
    package var spike: String?
    /// Whether what was there before the update was left where that was asked for.
    package var tookSnapshot = false
    /// Whether any rank was asked to stop.
    package var stopRequested = false
    /// Whether rank 0 wants a checkpoint of what is now.
    package var saveRequested = false
}

/// A step that is not made: a loss or gradient that is not finite, or far from what it was. Every rank throws it, before
/// anything was updated.
package struct StepRefused: CollectiveError {
    package let description: String
}

/// What a step looks at before it updates the weights.
package struct StepRules: Equatable, Sendable {
    /// Largest gradient norm; nil does not clip.
    package var clipGradient: Double?
    /// What happens to an update whose loss or gradient norm is a spike, and how far above the mean one is.
    package var spikeAction: SpikeGuard.Action
    package var spikeThreshold: Double

    package init(clipGradient: Double? = nil, spikeAction: SpikeGuard.Action = .none, spikeThreshold: Double = 6) {
        self.clipGradient = clipGradient
        self.spikeAction = spikeAction
        self.spikeThreshold = spikeThreshold
    }
}
