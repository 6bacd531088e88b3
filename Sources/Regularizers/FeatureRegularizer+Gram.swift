internal import CVectorKernels
internal import Foundation
internal import Layers
internal import Tensors

/// Losses as functions of G = ZᵀZ and of the mean feature.
///
/// Features that collapse differ little from their mean, and G is nearly N·mean·meanᵀ. So G travels in double precision,
/// and is made of products of what remains when the mean is taken away. And dL/dZ = Z·G is nearly along each feature, of
/// which normalising takes nothing; so what is formed is (z·G - N·(mean·z)·z), with C = G - N·mean·meanᵀ and c = z - mean
/// the same as (z·C - N·(mean·z)·c), where nothing cancels.
extension FeatureRegularizer {
    private var count: Double { Double(images) }
    /// Entries of G's upper triangle.
    private var triangle: Int { width * (width + 1) / 2 }

    /// Sets the mean of the rows of `z`.
    func formMean(of z: Matrix, in context: LayerContext) {
        context.forEachChunk(of: width) { columns in
            mean.columns(columns).clear()
            for row in 0..<z.rows {
                for column in columns { mean[0, column] += Double(z[row, column]) }
            }
            for column in columns { mean[0, column] /= Double(max(z.rows, 1)) }
        }
    }

    /// The rows of `z` less the mean.
    func centre(_ z: Matrix, into centred: Matrix, in context: LayerContext) {
        context.forEachChunk(of: z.rows) { range in
            for row in range {
                for column in 0..<width { centred[row, column] = Float(Double(z[row, column]) - mean[0, column]) }
            }
        }
    }

    /// Sets the upper triangle of the Gram matrix of `z`, and the sum of its rows.
    func formSummary(_ summary: MatrixView<Double>, of z: Matrix, in context: LayerContext) {
        formMean(of: z, in: context)
        let centred = centredFeatures.rows(0..<z.rows)
        centre(z, into: centred, in: context)
        MatrixProduct(centred, transposeA: true, centred, into: gram).run(by: context.member, scratch: context.scratch)
        context.member.serially {
            var place = 0
            for row in 0..<width {
                let factor = mean[0, row] * Double(z.rows)
                for column in row..<width {
                    summary[0, place] = Double(gram[row, column]) + factor * mean[0, column]
                    place += 1
                }
                summary[0, triangle + row] = factor
            }
        }
    }

    /// Sets the parts and the mean of all features, and what `gramGradient` needs.
    func evaluateGram(in context: LayerContext) {
        context.member.serially {
            for column in 0..<width { mean[0, column] = summary[0, triangle + column] / count }
            let square = unpackGram(into: gram)
            var trace = 0.0
            for index in 0..<width { trace += Double(gram[index, index]) }
            // Features that are all zero spread over no dimension; 0/0 would be no number.
            parts.inverseEffectiveRank = trace * trace > 0 ? square / (trace * trace) / Double(ranks) : 0
            var value = 0.0
            switch configuration.kind {
            case .none, .spectral:
                value = square / (count * count)
                prepareGradient(factor: 4 / (count * count))
            case .spectralOffdiagonal:
                let pairs = max(count * (count - 1), 1)
                value = (square - count) / pairs
                prepareGradient(factor: 4 / pairs)
            case .spectralCentred:
                value = unpackGram(centred: true, into: gram) / (count * count)
                gradientFactor = 4 / (count * count)
            case .vicregCovariance:
                let pairs = max(count - 1, 1) * max(count - 1, 1) * Double(width)
                value = unpackGram(centred: true, diagonal: false, into: gram) / pairs
                gradientFactor = 4 / pairs
            case .tcr:
                let factor = configuration.tcrMu / Double(width)
                value = prepareInverse(factor: factor)
                gradientFactor = 2 * factor * factor
            case .uniformity, .koleo:
                preconditionFailure("not a function of the Gram matrix")
            }
            parts.loss = value / Double(ranks)
        }
        guard configuration.kind == .tcr else { return }
        MatrixProduct(gram, centredGram, into: gramProduct).run(by: context.member, scratch: context.scratch)
    }

    private func prepareGradient(factor: Double) {
        _ = unpackGram(centred: true, into: gram)
        for column in 0..<width { projector[0, column] = mean[0, column] }
        gradientFactor = factor
    }

    /// Replaces G by B = (I + factor·G)⁻¹; the loss.
    private func prepareInverse(factor: Double) -> Double {
        guard let factorization else { return 0 }
        let value = -factorization.invert(gram, scale: factor)
        for row in 0..<width {
            projector[0, row] = (0..<width).reduce(0) { $0 + Double(gram[row, $1]) * mean[0, $1] }
        }
        _ = unpackGram(centred: true, into: centredGram)
        return value
    }

    /// Sets G from its upper triangle, or G - N·mean·meanᵀ, with or without the diagonal; the sum of its squares.
    private func unpackGram(centred: Bool = false, diagonal: Bool = true, into gram: Matrix) -> Double {
        var (place, square) = (0, 0.0)
        for row in 0..<width {
            let factor = centred ? mean[0, row] * count : 0
            for column in row..<width {
                let isKept = diagonal || row != column
                let value = isKept ? summary[0, place] - factor * mean[0, column] : 0
                gram[row, column] = Float(value)
                gram[column, row] = Float(value)
                square += (row == column ? 1 : 2) * value * value
                place += 1
            }
        }
        return square
    }

    /// factor·(z·K - N·(w·z)·c), or factor·(c·K) where the loss is one of centred features. w is the projector; K is C, and
    /// w the mean, where dL/dZ is factor·Z·G.
    ///
    /// For tcr it is factor·Z·B, B = (I + f·G)⁻¹. B·z = z - f·G·B·z, and with G = C + N·mean·meanᵀ, less what is along z,
    /// that is -f·(C·B·z - N·(mean·B·z)·c): K = B·C and w = B·mean.
    func gramGradient(rows: Range<Int>, in context: LayerContext) {
        let (d, z) = (dNormalized.rows(rows), own.rows(rows))
        let centred = centredFeatures.rows(0..<rows.count)
        let kind = configuration.kind
        centre(z, into: centred, in: context)
        MatrixProduct(kind.centres ? centred : z, kind == .tcr ? gramProduct : gram, into: d)
            .run(by: context.member, scratch: context.scratch)
        context.forEachChunk(of: rows.count) { range in
            for row in range {
                var weight = 0.0
                if !kind.centres {
                    for column in 0..<width { weight += projector[0, column] * Double(z[row, column]) }
                }
                let (factor, own) = (Float(gradientFactor), Float(count * weight))
                for column in 0..<width { d[row, column] = factor * (d[row, column] - own * centred[row, column]) }
            }
        }
    }
}
