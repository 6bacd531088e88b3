internal import Layers
internal import Tensors

/// Losses that are functions of G and of the mean feature. Ranks add G up, or gather features where that is less.
///
/// dL/dZ = Z·G is nearly along each feature, of which normalising takes nothing; so what is formed is
/// (z·G - N·(mean·z)·z), with C = G - N·mean·meanᵀ and c = z - mean the same as (z·C - N·(mean·z)·c), where nothing
/// cancels.
final class GramRegularizer: FeatureRegularizer, @unchecked Sendable {
    enum Loss: Sendable {
        /// ‖G‖², which is the sum of (zᵢ·zⱼ)², an image with itself being a pair or not.
        case products(withItself: Bool)
        /// The squares of C, with its diagonal or without, over `pairs`.
        case covariances(keepsDiagonal: Bool, pairs: Double)
        case codingRate(CodingRate)
    }

    private let loss: Loss
    private let batch: FeatureBatch
    private let features: FeatureRows
    /// Z [N, D], where features are exchanged.
    private let gathered: Matrix?
    private let summary: GramSummary
    private let centred: CentredFeatures
    /// G [D, D], then the matrix that features, or centred ones, are multiplied with for the gradient; for the coding rate
    /// B, of which that is made.
    private let gram: Matrix
    /// w of the gradient [1, D]; nil for losses of centred features.
    private let projector: MatrixView<Double>?
    private var gradientFactor = 0.0
    private(set) var figures = RegularizerFigures()

    init(_ loss: Loss, of batch: FeatureBatch, gathers: Bool, normalizes: Bool = true, plan: MemoryPlan) {
        self.loss = loss
        self.batch = batch
        features = FeatureRows(batch, normalizes: normalizes, plan: plan)
        gathered = gathers ? features.gathered(batch, plan: plan) : nil
        summary = GramSummary(batch, addsUp: !gathers, plan: plan)
        centred = CentredFeatures(
            images: gathers ? batch.globalImages : batch.images, width: batch.width, plan: plan)
        gram = plan.matrix(.exchange, "Gram matrix", rows: batch.width, columns: batch.width)
        if case .covariances = loss {
            projector = nil
        } else {
            projector = plan.view(.exchange, "projector", rows: 1, columns: batch.width)
        }
    }

    var exchanged: RegularizerMessage {
        if let gathered { .gather(own: features.z, all: gathered) } else { .sum(own: summary.own, all: summary.all) }
    }

    var followUp: RegularizerMessage? { nil }

    /// Every rank computes the figures whole, and has its share of them.
    var divisors: RegularizerFigures { .ones }

    func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext) {
        self.features.record(features, rows: rows, in: context)
    }

    func summarize(in context: LayerContext) {
        if gathered == nil { formSummary(of: features.z, in: context) }
    }

    private func formSummary(of z: Matrix, in context: LayerContext) {
        centred.formMean(of: z, in: context)
        let c = centred.centre(z, in: context)
        MatrixProduct(c, transposeA: true, c, into: gram).run(by: context.member, scratch: context.scratch)
        context.member.serially { summary.fill(centredGram: gram, mean: centred.mean, count: z.rows) }
    }

    func evaluate(in context: LayerContext) {
        if let gathered { formSummary(of: gathered, in: context) }
        context.member.serially {
            summary.unpackMean(into: centred.mean)
            let square = summary.unpackGram(into: gram, mean: centred.mean, isCentred: false)
            var trace = 0.0
            for index in 0..<batch.width { trace += Double(gram[index, index]) }
            // Features that are all zero spread over no dimension; 0/0 would be no number.
            let inverseRank = trace * trace > 0 ? square / (trace * trace) : 0
            figures.inverseEffectiveRank = inverseRank / Double(batch.ranks)
            figures.loss = prepareGradient(square) / Double(batch.ranks)
        }
        guard case .codingRate(let rate) = loss else { return }
        MatrixProduct(gram, rate.centredGram, into: rate.product).run(by: context.member, scratch: context.scratch)
    }

    /// Replaces G, whose squares sum up to `square`, by what `gradient` needs.
    ///
    /// - Returns: the loss.
    private func prepareGradient(_ square: Double) -> Double {
        let mean = centred.mean
        switch loss {
        case .products(let withItself):
            let pairs = batch.pairs(withItself: withItself)
            summary.unpackGram(into: gram, mean: mean, isCentred: true)
            projector?.copy(from: mean)
            gradientFactor = 4 / pairs
            // An image is 1 with itself.
            return (square - (withItself ? 0 : Double(batch.globalImages))) / pairs
        case .covariances(let keepsDiagonal, let pairs):
            gradientFactor = 4 / pairs
            return summary.unpackGram(into: gram, mean: mean, isCentred: true, keepsDiagonal: keepsDiagonal) / pairs
        case .codingRate(let rate):
            let value = rate.invert(gram)
            if let projector {
                for row in 0..<batch.width {
                    projector[0, row] = (0..<batch.width).reduce(0) { $0 + Double(gram[row, $1]) * mean[0, $1] }
                }
            }
            summary.unpackGram(into: rate.centredGram, mean: mean, isCentred: true)
            gradientFactor = 2 * rate.factor * rate.factor
            return value
        }
    }

    /// factor·(z·K - N·(w·z)·c), or factor·(c·K) where the loss is one of centred features. w is the projector; K is C, and
    /// w the mean, where dL/dZ is factor·Z·G.
    ///
    /// For the coding rate it is factor·Z·B, B = (I + f·G)⁻¹. B·z = z - f·G·B·z, and with G = C + N·mean·meanᵀ, less what
    /// is along z, that is -f·(C·B·z - N·(mean·B·z)·c): K = B·C and w = B·mean.
    func gradient(rows: Range<Int>, weight: Double, in context: LayerContext) -> Matrix {
        features.gradient(rows: rows, weight: weight, in: context) { dZ in
            let z = features.z.rows(rows)
            let c = centred.centre(z, in: context)
            let (left, right) =
                switch loss {
                case .products: (z, gram)
                case .covariances: (c, gram)
                case .codingRate(let rate): (z, rate.product)
                }
            MatrixProduct(left, right, into: dZ).run(by: context.member, scratch: context.scratch)
            context.forEachChunk(of: rows.count) { range in
                for row in range {
                    var projection = 0.0
                    if let projector {
                        for column in 0..<batch.width { projection += projector[0, column] * Double(z[row, column]) }
                    }
                    let (factor, along) = (Float(gradientFactor), Float(Double(batch.globalImages) * projection))
                    for column in 0..<batch.width {
                        dZ[row, column] = factor * (dZ[row, column] - along * c[row, column])
                    }
                }
            }
        }
    }
}
