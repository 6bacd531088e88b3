internal import CVectorKernels
internal import Foundation
package import Layers
internal import Tensors

/// Losses over pairs of gathered features. With s = Z·Zᵀ, of which this rank has its rows.
extension FeatureRegularizer {
    /// torch.nn.PairwiseDistance's, and that of DINOv2's logarithm.
    private static var koleoEpsilon: Double { 1e-8 }

    private var count: Double { Double(images) }

    func evaluatePairs(in context: LayerContext) {
        MatrixProduct(own, all, transposeB: true, into: similarities).run(by: context.member, scratch: context.scratch)
        let pairs = max(count * (count - 1), 1)
        let square = sum(in: context) { row in
            unsafe umae_sum_of_squares(similarities.rows(row..<row + 1).pointer, similarities.columns)
        }
        if context.member.isFirst { spectralShare = square / (count * count) }
        switch configuration.kind {
        case .spectralOffdiagonal:
            if context.member.isFirst { share = (square - Double(own.rows)) / pairs }
        case .uniformity:
            let total = sum(in: context) { exponentiate(row: $0) }
            if context.member.isFirst { pairSum = total }
        case .koleo:
            context.forEachChunk(of: own.rows) { findNeighbors(rows: $0) }
        default:
            if context.member.isFirst { share = square / (count * count) }
        }
        context.member.wait()
    }

    /// After `pairSum` or `neighbors` hold what all ranks say.
    package func finishPairs(in context: LayerContext) {
        switch configuration.kind {
        case .uniformity:
            if context.member.isFirst { share = log(pairSum / max(count * (count - 1), 1)) / Double(ranks) }
        case .koleo:
            let total = sum(in: context) { row in
                -log(distance(firstRow + row, Int(neighbors[firstRow + row, 0])) + Self.koleoEpsilon)
            }
            if context.member.isFirst { share = total / count }
        default: break
        }
        context.member.wait()
    }

    /// Overwrites `dNormalized` of these rows.
    func pairGradient(rows: Range<Int>, in context: LayerContext) {
        let d = dNormalized.rows(rows)
        switch configuration.kind {
        case .koleo: context.forEachChunk(of: rows.count) { koleoGradient($0, of: rows) }
        case .uniformity:
            // d/dzᵢ = (2/E)·Σⱼ eᵢⱼ·(-2t)·(zᵢ - zⱼ), E the sum of all e.
            MatrixProduct(similarities.rows(rows), all, into: d).run(by: context.member, scratch: context.scratch)
            let factor = Float(4 * configuration.uniformityT / pairSum)
            context.forEachChunk(of: rows.count) { range in
                for index in range {
                    let row = rows.lowerBound + index
                    var total: Float = 0
                    for column in 0..<similarities.columns { total += similarities[row, column] }
                    for column in 0..<width {
                        d[index, column] = factor * (d[index, column] - total * own[row, column])
                    }
                }
            }
        default:
            let pairs = configuration.kind == .spectralOffdiagonal ? max(count * (count - 1), 1) : count * count
            MatrixProduct(similarities.rows(rows), all, into: d).run(by: context.member, scratch: context.scratch)
            context.forEachChunk(of: rows.count) { range in
                let part = d.rows(range)
                unsafe umae_scale(part.pointer, Float(4 / pairs), part.count)
            }
        }
    }

    // MARK: Wang and Isola's uniformity

    /// Replaces similarities of this row by exp(-t·distance²), an image with itself by 0; their sum.
    private func exponentiate(row: Int) -> Double {
        var total = 0.0
        let length = squaredLength(firstRow + row)
        for column in 0..<similarities.columns {
            guard column != firstRow + row else {
                similarities[row, column] = 0
                continue
            }
            let distance = max(length + squaredLength(column) - 2 * Double(similarities[row, column]), 0)
            let value = exp(-configuration.uniformityT * distance)
            similarities[row, column] = Float(value)
            total += value
        }
        return total
    }

    /// 1, or 0 for a feature that was too short to be normalised.
    private func squaredLength(_ row: Int) -> Double { isZero(row) ? 0 : 1 }

    private func isZero(_ row: Int) -> Bool {
        for column in 0..<width where all[row, column] != 0 { return false }
        return true
    }

    // MARK: Kozachenko-Leonenko

    private func findNeighbors(rows: Range<Int>) {
        for row in rows {
            var best = -1
            for column in 0..<similarities.columns where column != firstRow + row {
                if best < 0 || similarities[row, column] > similarities[row, best] { best = column }
            }
            ownNeighbors[row, 0] = Float(max(best, 0))
        }
    }

    /// As torch.nn.PairwiseDistance: of the difference plus ε.
    private func distance(_ a: Int, _ b: Int) -> Double {
        var total = 0.0
        for column in 0..<width {
            let difference = Double(all[a, column]) - Double(all[b, column]) + Self.koleoEpsilon
            total += difference * difference
        }
        return total.squareRoot()
    }

    /// An image pushes its neighbour away, and is pushed by all whose neighbour it is.
    private func koleoGradient(_ range: Range<Int>, of rows: Range<Int>) {
        func add(_ image: Int, to index: Int, sign: Double) {
            let neighbor = Int(neighbors[image, 0])
            let length = distance(image, neighbor)
            let factor = sign / (count * (length + Self.koleoEpsilon) * max(length, 1e-30))
            let d = dNormalized.rows(rows)
            for column in 0..<width {
                let difference = Double(all[image, column]) - Double(all[neighbor, column]) + Self.koleoEpsilon
                d[index, column] += Float(factor * difference)
            }
        }
        for index in range {
            let image = firstRow + rows.lowerBound + index
            dNormalized.rows(rows).rows(index..<index + 1).clear()
            add(image, to: index, sign: -1)
            for other in 0..<images where Int(neighbors[other, 0]) == image { add(other, to: index, sign: 1) }
        }
    }
}
