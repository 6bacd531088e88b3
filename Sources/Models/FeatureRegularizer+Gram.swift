internal import CVectorKernels
internal import Foundation
internal import Layers
internal import Tensors

/// Losses as functions of G = ZᵀZ and of the mean feature: dL/dZ = (Z - mean)·M, with M in place of G.
extension FeatureRegularizer {
    private var count: Double { Double(images) }

    func formGram(of z: Matrix, in context: LayerContext) {
        MatrixProduct(z, transposeA: true, z, into: gram).run(by: context.member, scratch: context.scratch)
    }

    /// From gathered features.
    func gatherSummary(in context: LayerContext) {
        formGram(of: all, in: context)
        context.member.serially {
            mean.clear()
            unsafe umae_column_sums(UMAE_F32, all.pointer, all.stride, mean.pointer, all.rows, width)
            unsafe umae_scale(mean.pointer, Float(1 / count), width)
        }
    }

    /// From the sums over ranks.
    func unpackSummary(in context: LayerContext) {
        context.member.serially {
            var place = 0
            for row in 0..<width {
                for column in row..<width {
                    let value = summary[0, place]
                    gram[row, column] = value
                    gram[column, row] = value
                    place += 1
                }
            }
            mean.copy(from: summary.columns(place..<place + width))
            unsafe umae_scale(mean.pointer, Float(1 / count), width)
        }
    }

    /// Sets the shares, and replaces G by M.
    func evaluateGram(in context: LayerContext) {
        context.member.serially {
            var trace = 0.0
            for index in 0..<width { trace += Double(gram[index, index]) }
            let square = unsafe umae_sum_of_squares(gram.pointer, gram.count)
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
                centreGram()
                value = unsafe umae_sum_of_squares(gram.pointer, gram.count) / (count * count)
                scaleGram(4 / (count * count))
            case .vicregCovariance:
                centreGram()
                for index in 0..<width { gram[index, index] = 0 }
                let freedom = max(count - 1, 1)
                value =
                    unsafe umae_sum_of_squares(gram.pointer, gram.count) / (freedom * freedom * Double(width))
                scaleGram(4 / (freedom * freedom * Double(width)))
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

    /// G - N·mean·meanᵀ
    private func centreGram() {
        for row in 0..<width {
            let factor = Double(mean[0, row]) * count
            for column in 0..<width {
                gram[row, column] = Float(Double(gram[row, column]) - factor * Double(mean[0, column]))
            }
        }
    }

    private func scaleGram(_ factor: Double) { unsafe umae_scale(gram.pointer, Float(factor), gram.count) }

    func gramGradient(rows: Range<Int>, in context: LayerContext) {
        let (d, z) = (dNormalized.rows(rows), own.rows(rows))
        guard configuration.kind.centres else {
            return MatrixProduct(z, gram, into: d).run(by: context.member, scratch: context.scratch)
        }
        let centred = centredFeatures.rows(0..<rows.count)
        context.forEachChunk(of: rows.count) { range in
            for row in range {
                let target = centred.rows(row..<row + 1)
                target.copy(from: z.rows(row..<row + 1))
                for column in 0..<width { target[0, column] -= mean[0, column] }
            }
        }
        MatrixProduct(centred, gram, into: d).run(by: context.member, scratch: context.scratch)
    }
}
