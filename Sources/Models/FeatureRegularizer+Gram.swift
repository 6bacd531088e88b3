internal import CVectorKernels
internal import Foundation
internal import Layers
internal import Tensors

/// Losses as functions of G = ZᵀZ and of the mean feature: dL/dZ = (Z - mean)·M, with M in place of G.
///
/// Features that collapse differ little from their mean, and G is nearly N·mean·meanᵀ. So G travels in double precision,
/// and is made of products of what remains when the mean is taken away.
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

    /// Sets the shares and the mean of all features, and M.
    func evaluateGram(in context: LayerContext) {
        context.member.serially {
            for column in 0..<width { mean[0, column] = summary[0, triangle + column] / count }
            let square = unpackGram()
            var trace = 0.0
            for index in 0..<width { trace += Double(gram[index, index]) }
            spectralShare = square / (trace * trace) / Double(ranks)
            var value = 0.0
            switch configuration.kind {
            case .none, .spectral:
                value = square / (count * count)
                scaleGram(4 / (count * count))
            case .spectralOffdiagonal:
                let pairs = max(count * (count - 1), 1)
                value = (square - count) / pairs
                scaleGram(4 / pairs)
            case .spectralCentred:
                value = unpackGram(centred: true) / (count * count)
                scaleGram(4 / (count * count))
            case .vicregCovariance:
                let pairs = max(count - 1, 1) * max(count - 1, 1) * Double(width)
                value = unpackGram(centred: true, diagonal: false) / pairs
                scaleGram(4 / pairs)
            case .tcr:
                guard let factorization else { return }
                let factor = configuration.tcrMu / Double(width)
                // Replaces G by (I + factor·G)⁻¹.
                value = -factorization.invert(gram, scale: factor)
                scaleGram(-2 * factor)
            case .uniformity, .koleo:
                preconditionFailure("not a function of the Gram matrix")
            }
            share = value / Double(ranks)
        }
    }

    /// Sets G from its upper triangle, or G - N·mean·meanᵀ, with or without the diagonal; the sum of its squares.
    private func unpackGram(centred: Bool = false, diagonal: Bool = true) -> Double {
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

    private func scaleGram(_ factor: Double) { unsafe umae_scale(gram.pointer, Float(factor), gram.count) }

    func gramGradient(rows: Range<Int>, in context: LayerContext) {
        let (d, z) = (dNormalized.rows(rows), own.rows(rows))
        guard configuration.kind.centres else {
            return MatrixProduct(z, gram, into: d).run(by: context.member, scratch: context.scratch)
        }
        let centred = centredFeatures.rows(0..<rows.count)
        centre(z, into: centred, in: context)
        MatrixProduct(centred, gram, into: d).run(by: context.member, scratch: context.scratch)
    }
}
