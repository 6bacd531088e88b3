internal import CVectorKernels
package import Layers
package import Tensors

/// A regulariser of the class features of a global batch: loss and gradient, whatever the ranks and micro-batches that
/// the features come from.
///
/// In this order: `record` the features of each micro-batch, `summarize`, exchange (`exchanged` says what), `evaluate`,
/// and `gradient` for each micro-batch. n images of this rank in all micro-batches, N in the global batch, D width.
package final class FeatureRegularizer: @unchecked Sendable {
    package let configuration: RegularizerConfiguration
    /// gather or gram.
    package let transport: FeatureTransport
    /// z of this rank [n, D], normalised if the regulariser wants that.
    package let own: Matrix
    /// z of the global batch [N, D] in rank order, for whoever gathers; `own` itself if there is no other rank.
    package let all: Matrix
    /// For functions of G: its upper triangle and then Σ z [1, D(D + 1)/2 + D], of this rank and of the global batch; one
    /// if there is no other rank or features are gathered.
    package let ownSummary: MatrixView<Double>
    package let summary: MatrixView<Double>
    /// Gradient with respect to the features of one micro-batch, before normalisation [m, D].
    package let dFeatures: Matrix

    let images: Int
    let width: Int
    /// Where this rank's rows stand among all.
    let firstRow: Int
    /// A loss that every rank computes whole is shared among so many.
    let ranks: Int
    let norms: Matrix
    /// Of pairs [n, N]; only where features are gathered and pairs are looked at.
    let similarities: Matrix
    /// G [D, D], then the matrix that features, or centred ones, are multiplied with for the gradient; for tcr that is
    /// the product of its inverse, in `gram`, and of G about the mean.
    let gram: Matrix
    let centredGram: Matrix
    let gramProduct: Matrix
    /// [1, D], and a factor: see `gramGradient`.
    let projector: MatrixView<Double>
    var gradientFactor = 0.0
    /// The mean feature [1, D].
    let mean: MatrixView<Double>
    /// Features less their mean: all [N, D] or this rank's [n, D], as the kind wants.
    let centredFeatures: Matrix
    /// Of centred features, where distances are looked at: |z|² and mean·z [2, N].
    let centredProducts: MatrixView<Double>
    /// Gradient with respect to z [n, D].
    let dNormalized: Matrix
    /// Nearest neighbours for koleo: of this rank [n, 1], and of all [N, 1].
    package let ownNeighbors: Matrix
    /// Whether neighbours stay those of the evaluation before: the loss has a kink wherever they change, and finite
    /// differences across one are not the slope on either side.
    package var keepsNeighbors = false
    package let neighbors: Matrix
    let factorization: CholeskyFactorization?
    /// Of this rank's images [1, n], and how many of them a micro-batch has.
    private let rowSums: MatrixView<Double>
    private let microImages: Int
    /// What ranks add up to learn the loss, and the participation ratio's reciprocal: this rank's part, to be divided
    /// by `divisors` once it is added up. Parts divided before would round otherwise at other numbers of ranks.
    package internal(set) var parts = Figures()
    package var divisors: Figures {
        guard transport == .gather && configuration.kind.looksAtPairs else {
            return Figures(loss: 1, inverseEffectiveRank: 1)
        }
        let count = Double(images)
        let squares = count * count
        switch configuration.kind {
        case .spectralOffdiagonal: return Figures(loss: max(count * (count - 1), 1), inverseEffectiveRank: squares)
        case .uniformity: return Figures(loss: 1, inverseEffectiveRank: squares)
        case .koleo: return Figures(loss: count, inverseEffectiveRank: squares)
        default: return Figures(loss: squares, inverseEffectiveRank: squares)
        }
    }
    /// Σ over this rank's pairs of exp(-t·distance²), which uniformity needs of all ranks together before `gradient`.
    package var pairSum = 0.0

    /// The loss, and the participation ratio's reciprocal ‖ZᵀZ‖² / trace².
    package struct Figures: Equatable, Sendable {
        package var loss: Double
        package var inverseEffectiveRank: Double

        package init(loss: Double = 0, inverseEffectiveRank: Double = 0) {
            self.loss = loss
            self.inverseEffectiveRank = inverseEffectiveRank
        }
    }

    /// torch.nn.functional.normalize's.
    private static var epsilon: Float { 1e-12 }

    /// - Parameters:
    ///   - images: of this rank, in all micro-batches that the loss spans.
    ///   - firstRow: images of the ranks before this one.
    ///   - microImages: of this rank in its largest micro-batch.
    package init(
        _ configuration: RegularizerConfiguration, images: Int, globalImages: Int, microImages: Int, width: Int,
        firstRow: Int, ranks: Int, threads: Int, plan: MemoryPlan
    ) {
        func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
            plan.matrix(.exchange, name, rows: rows, columns: columns)
        }
        self.configuration = configuration
        self.images = globalImages
        self.width = width
        self.ranks = ranks
        self.firstRow = ranks == 1 ? 0 : firstRow
        transport = configuration.resolvedTransport(images: globalImages, width: width)
        let isAlone = ranks == 1
        let gathers = transport == .gather
        let usesPairs = gathers && configuration.kind.looksAtPairs
        own = matrix("features of this rank", images, width)
        all = isAlone || !gathers ? own : matrix("gathered features", globalImages, width)
        let summaryCount = usesPairs ? 0 : width * (width + 1) / 2 + width
        ownSummary = plan.view(.exchange, "Gram matrix of this rank", rows: 1, columns: summaryCount)
        summary =
            isAlone || gathers
            ? ownSummary : plan.view(.exchange, "Gram matrix of all ranks", rows: 1, columns: summaryCount)
        dFeatures = matrix("dFeatures", microImages, width)
        norms = matrix("feature norms", 1, images)
        similarities = matrix("similarities", usesPairs ? images : 0, globalImages)
        gram = matrix("Gram matrix", usesPairs ? 0 : width, width)
        let tcrWidth = configuration.kind == .tcr ? width : 0
        centredGram = matrix("Gram matrix about the mean", tcrWidth, width)
        gramProduct = matrix("product of Gram matrices", tcrWidth, width)
        projector = plan.view(.exchange, "projector", rows: 1, columns: usesPairs ? 0 : width)
        mean = plan.view(.exchange, "mean feature", rows: 1, columns: width)
        let looksAtDistances = configuration.kind.looksAtDistances
        let centredRows = gathers ? globalImages : images
        centredFeatures = matrix("centred features", centredRows, width)
        centredProducts = plan.view(
            .exchange, "products of centred features", rows: 2, columns: looksAtDistances ? globalImages : 0)
        dNormalized = matrix("dNormalised", images, width)
        let koleo = configuration.kind == .koleo
        ownNeighbors = matrix("neighbours of this rank", koleo ? images : 0, 1)
        neighbors = koleo && !isAlone ? matrix("neighbours", globalImages, 1) : ownNeighbors
        factorization = configuration.kind == .tcr ? CholeskyFactorization(order: width, plan: plan) : nil
        rowSums = plan.view(.exchange, "sums of rows", rows: 1, columns: max(images, 1))
        self.microImages = max(microImages, 1)
    }

    /// Scratch memory for its products.
    package static func scratchBytes(images: Int, globalImages: Int, width: Int) -> Int {
        func bytes(_ m: Int, _ n: Int, _ k: Int, _ transposeA: Bool = false) -> Int {
            ScratchMemory.bytes(forProduct: .float32, m: m, n: n, k: k, transposeA: transposeA)
        }
        return [
            bytes(images, globalImages, width), bytes(images, width, globalImages), bytes(images, width, width),
            bytes(width, width, globalImages, true), bytes(width, width, width),
        ].reduce(0, max)
    }

    /// Takes the features of the micro-batch whose images are `rows` of this rank's.
    package func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext) {
        precondition(features.rows == rows.count)
        let (z, norms) = (own.rows(rows), norms.columns(rows))
        context.forEachChunk(of: features.rows) { range in
            if configuration.kind.normalizes {
                unsafe umae_l2_normalize_forward(
                    features.rows(range).pointer, features.stride, z.rows(range).pointer, z.stride,
                    norms.columns(range).pointer, range.count, features.columns, Self.epsilon)
            } else {
                z.rows(range).copy(from: features.rows(range))
            }
        }
    }

    /// Prepares what is exchanged.
    package func summarize(in context: LayerContext) {
        if transport == .gram { formSummary(ownSummary, of: own, in: context) }
    }

    /// After the exchange: sets `parts`, and prepares `gradient`.
    package func evaluate(in context: LayerContext) {
        if transport == .gather && configuration.kind.looksAtPairs {
            evaluatePairs(in: context)
        } else {
            if transport == .gather { formSummary(summary, of: all, in: context) }
            evaluateGram(in: context)
        }
    }

    /// Overwrites `dFeatures` with `weight` times the gradient of the loss for the images `rows` of this rank.
    package func gradient(rows: Range<Int>, weight: Double, in context: LayerContext) {
        let (d, z) = (dNormalized.rows(rows), own.rows(rows))
        if transport == .gather && configuration.kind.looksAtPairs {
            pairGradient(rows: rows, in: context)
        } else {
            gramGradient(rows: rows, in: context)
        }
        let norms = norms.columns(rows)
        context.forEachChunk(of: rows.count) { range in
            let result = dFeatures.rows(range)
            if configuration.kind.normalizes {
                unsafe umae_l2_normalize_backward(
                    d.rows(range).pointer, z.rows(range).pointer, norms.columns(range).pointer, result.pointer,
                    result.rows, result.columns, Self.epsilon)
            } else {
                result.copy(from: d.rows(range))
            }
            unsafe umae_scale(result.pointer, Float(weight), result.count)
        }
    }

    /// Adds up what `body` says of each of this rank's images: those of a micro-batch in order, then the micro-batches in
    /// a tree, so that its bits depend neither on threads nor on how many micro-batches a rank has. Every member gets it.
    func sum(in context: LayerContext, _ body: (Int) -> Double) -> Double {
        context.forEachChunk(of: own.rows) { range in
            for row in range { rowSums[0, row] = body(row) }
        }
        let total = rowSum(0..<(own.rows + microImages - 1) / microImages)
        context.member.wait()
        return total
    }

    /// Of these micro-batches.
    private func rowSum(_ micros: Range<Int>) -> Double {
        guard micros.count > 1 else {
            var total = 0.0
            for row in micros.lowerBound * microImages..<min(micros.upperBound * microImages, own.rows) {
                total += rowSums[0, row]
            }
            return total
        }
        let middle = micros.lowerBound + (micros.count + 1) / 2
        return rowSum(micros.lowerBound..<middle) + rowSum(middle..<micros.upperBound)
    }
}

extension Regularizer {
    /// Whether gathered features are compared pair by pair; the others are functions of G then too.
    var looksAtPairs: Bool { !(centres || self == .tcr) }
    /// Whether it is a function of the features less their mean.
    var centres: Bool { self == .spectralCentred || self == .vicregCovariance }
    /// Whether it is a function of the distances between features.
    var looksAtDistances: Bool { self == .uniformity || self == .koleo }
}
