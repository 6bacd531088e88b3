package import Layers
package import Tensors

/// A regulariser of the class features of a global batch: its loss and its gradient, whatever the ranks and micro-batches
/// that the features come from.
///
/// Every member of a team calls, in this order: `record` for the features of each micro-batch, `summarize`, `evaluate`
/// once the ranks have exchanged what `exchanged` says, `conclude` once they have sent `followUp`, if there is one, and
/// `gradient` for each micro-batch. It sends nothing itself.
///
/// In the comments of the module: n images of this rank in all micro-batches, N in the global batch, D width, Z the
/// features [N, D], of which z is one, and G = ZᵀZ.
package protocol FeatureRegularizer: AnyObject, Sendable {
    /// What ranks exchange before `evaluate`.
    var exchanged: RegularizerMessage { get }
    /// What they tell one another after it; nil where the loss is known by then.
    var followUp: RegularizerMessage? { get }
    /// This rank's part of the figures, which are the sums over ranks divided by `divisors`. Parts that were divided
    /// before would be rounded otherwise at other numbers of ranks.
    var figures: RegularizerFigures { get }
    var divisors: RegularizerFigures { get }

    /// Takes the features of the micro-batch whose images are `rows` of this rank's.
    func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext)
    /// Prepares what is exchanged.
    func summarize(in context: LayerContext)
    /// Sets what the features of all ranks tell: the figures, and what `gradient` needs, or else the follow-up.
    func evaluate(in context: LayerContext)
    /// Sets what was left to the follow-up.
    func conclude(in context: LayerContext)
    /// `weight` times the gradient of the loss with respect to the features `rows` of this rank [rows, D], before they
    /// were normalised; valid until the next call.
    func gradient(rows: Range<Int>, weight: Double, in context: LayerContext) -> Matrix
    /// Keeps what the loss chose among the features in the last evaluation. It has a kink wherever such a choice changes,
    /// and finite differences across one are not the slope on either side.
    func keepChoices()
}

extension FeatureRegularizer {
    package func conclude(in context: LayerContext) {}
    package func keepChoices() {}
}

/// What ranks tell one another for a regulariser. If there is one rank, `all` is `own`, and nothing is sent.
package enum RegularizerMessage: Sendable {
    /// Rows of every rank, which `all` are in rank order.
    case gather(own: Matrix, all: Matrix)
    /// Numbers of every rank, whose sums `all` are.
    case sum(own: MatrixView<Double>, all: MatrixView<Double>)
}

/// The loss, and ‖G‖² / trace(G)², the reciprocal of the participation ratio, which says how many dimensions the features
/// spread over.
package struct RegularizerFigures: Equatable, Sendable {
    package var loss: Double
    package var inverseEffectiveRank: Double

    package init(loss: Double = 0, inverseEffectiveRank: Double = 0) {
        self.loss = loss
        self.inverseEffectiveRank = inverseEffectiveRank
    }

    /// What divides nothing.
    package static var ones: RegularizerFigures { RegularizerFigures(loss: 1, inverseEffectiveRank: 1) }
}
