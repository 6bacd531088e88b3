/// How a pass uses memory, and what it leaves for being looked at.
package struct PassOptions: Sendable {
    /// Whether a decoder predicts visible patches too, which the loss does not need.
    package var predictsAll = false
    /// Whether the blocks between first and last of a stack share their activations, and backward computes them again.
    package var recomputes = false
    /// Of how many of the last blocks of each stack the stream behind them is copied for `stages`.
    package var keptStages = 0

    package init() {}
}
