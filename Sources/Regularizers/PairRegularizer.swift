internal import Foundation
internal import Layers
internal import Tensors

/// Losses of pairs of images, of which each rank has those of its own images with all others, for which features are
/// gathered.
final class PairRegularizer: FeatureRegularizer, @unchecked Sendable {
    enum Loss: Sendable {
        /// The mean of (zᵢ·zⱼ)², an image with itself being a pair or not.
        case products(withItself: Bool)
        /// The logarithm of the mean over pairs of different images.
        case potential(GaussianPotential)
        case nearest(NearestNeighbors)

        fileprivate var hasDistances: Bool {
            if case .products = self { false } else { true }
        }
    }

    private let loss: Loss
    private let batch: FeatureBatch
    private let features: FeatureRows
    private let pairs: FeaturePairs
    private let terms: RowTerms
    private(set) var figures = RegularizerFigures()

    init(_ loss: Loss, of batch: FeatureBatch, plan: MemoryPlan) {
        self.loss = loss
        self.batch = batch
        features = FeatureRows(batch, normalizes: true, plan: plan)
        pairs = FeaturePairs(batch, features: features, hasDistances: loss.hasDistances, plan: plan)
        terms = RowTerms(batch, plan: plan)
    }

    var exchanged: RegularizerMessage { .gather(own: features.z, all: pairs.all) }

    var followUp: RegularizerMessage? {
        switch loss {
        case .products: nil
        case .potential(let potential): .sum(own: potential.own, all: potential.all)
        case .nearest(let neighbors): .gather(own: neighbors.own, all: neighbors.all)
        }
    }

    var divisors: RegularizerFigures {
        let loss: Double =
            switch loss {
            case .products(let withItself): batch.pairs(withItself: withItself)
            case .potential: 1
            case .nearest: Double(batch.globalImages)
            }
        return RegularizerFigures(loss: loss, inverseEffectiveRank: batch.pairs(withItself: true))
    }

    func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext) {
        self.features.record(features, rows: rows, in: context)
    }

    func summarize(in context: LayerContext) {}

    func keepChoices() {
        if case .nearest(let neighbors) = loss { neighbors.isKept = true }
    }

    func evaluate(in context: LayerContext) {
        pairs.form(in: context)
        let square = terms.sum(in: context) { pairs.squaredProducts(row: $0) }
        if context.member.isFirst { figures.inverseEffectiveRank = square }
        switch loss {
        case .products(withItself: true):
            if context.member.isFirst { figures.loss = square }
        case .products(withItself: false):
            // An image is 1 with itself.
            let others = terms.sum(in: context) { pairs.squaredProducts(row: $0) - 1 }
            if context.member.isFirst { figures.loss = others }
        case .potential(let potential):
            let total = terms.sum(in: context) { potential.form(row: $0, of: pairs) }
            if context.member.isFirst { potential.own[0, 0] = total }
        case .nearest(let neighbors):
            guard !neighbors.isKept else { break }
            context.forEachChunk(of: batch.images) { neighbors.find(rows: $0, among: pairs) }
        }
        context.member.wait()
    }

    func conclude(in context: LayerContext) {
        switch loss {
        case .products: return
        case .potential(let potential):
            let mean = potential.all[0, 0] / batch.pairs(withItself: false)
            if context.member.isFirst { figures.loss = log(mean) / Double(batch.ranks) }
        case .nearest(let neighbors):
            let total = terms.sum(in: context) { neighbors.term(of: batch.firstRow + $0, in: pairs.all) }
            if context.member.isFirst { figures.loss = total }
        }
        context.member.wait()
    }

    func gradient(rows: Range<Int>, weight: Double, in context: LayerContext) -> Matrix {
        features.gradient(rows: rows, weight: weight, in: context) { dZ in
            switch loss {
            case .products(let withItself):
                // Σⱼ sᵢⱼ·zⱼ, less what is along zᵢ: normalising takes nothing of that.
                pairs.weighDifferences(
                    rows: rows, Float(4 / batch.pairs(withItself: withItself)), into: dZ, in: context)
            case .potential(let potential):
                // With eᵢⱼ and their sum E: d/dzᵢ = (2/E)·Σⱼ eᵢⱼ·(-2t)·(zᵢ - zⱼ).
                pairs.weighDifferences(
                    rows: rows, Float(4 * potential.t / potential.all[0, 0]), into: dZ, in: context)
            case .nearest(let neighbors):
                let first = batch.firstRow + rows.lowerBound
                context.forEachChunk(of: rows.count) { range in
                    for row in range {
                        neighbors.gradient(of: first + row, in: pairs.all, into: dZ.rows(row..<row + 1))
                    }
                }
            }
        }
    }
}
