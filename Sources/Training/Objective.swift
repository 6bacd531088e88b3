package import DataParallel
package import ImageData
package import Layers

/// What training makes small, as a step differentiates it: a model and its losses over the images of an update, of which
/// each rank sees its part in one or several micro-batches.
///
/// A micro-batch is taken by one thread; all members of a team then work on it together.
package protocol Objective: AnyObject {
    associatedtype Figures: StepFigures

    var parameters: ParameterSet { get }
    /// One for each member of the team.
    var contexts: [LayerContext] { get }
    /// Whether a loss compares images of different micro-batches, so that all are looked at before one is differentiated.
    var looksAhead: Bool { get }
    /// What the losses themselves have under way between ranks.
    var messages: [any InFlight] { get }

    /// Takes the micro-batch that is worked on next.
    func take(_ batch: Batch)

    /// Keeps what the losses of other micro-batches need to know of this one; only where `looksAhead`. Every member calls it.
    func lookAhead(in context: LayerContext, _ messages: MessagePump)

    /// Computes losses and their gradient. Every member calls it; the first has the figures.
    ///
    /// - Parameter done: called by the first member with each range of the gradients that no later part touches.
    func differentiate(in context: LayerContext, _ messages: MessagePump, done: (Range<Int>) -> Void) -> Figures

    /// Turns sums over ranks and micro-batches into figures of the global batch.
    func normalize(_ sums: inout Figures)

    /// What is minimised.
    func loss(_ figures: Figures) -> Double
}
