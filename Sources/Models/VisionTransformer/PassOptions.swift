/// How a pass uses memory, and what it leaves for being looked at.
package struct PassOptions: Sendable {
    /// What the blocks of a stack keep for backward.
    package enum Kept: Sendable {
        /// All that backward reads.
        case activations
        /// Each one's input: the blocks between first and last share their activations, which backward computes again.
        case inputs
        /// Nothing: there is no backward.
        case nothing
    }

    /// Whether a decoder predicts visible patches too, which the loss does not need.
    package var predictsAll = false
    package var kept = Kept.activations
    /// Whether an encoder's last block computes the class token alone, so that the latent holds no other.
    package var onlyClassToken = false
    /// Of how many of the last blocks of each stack the stream behind them is copied for `stages`.
    package var keptStages = 0

    package init() {}

    /// Of passes that only look.
    package static var forwardAlone: PassOptions {
        var options = PassOptions()
        options.kept = .nothing
        return options
    }
}
