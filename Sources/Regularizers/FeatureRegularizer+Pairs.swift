internal import CVectorKernels
internal import Foundation
package import Layers
internal import Tensors

/// Losses over pairs of gathered features. With s = Z·Zᵀ, of which this rank has its rows.
///
/// Distances and gradients are those of the features less their mean: of features that collapse, products differ by less
/// than fp32 tells apart.
extension FeatureRegularizer {
    /// torch.nn.PairwiseDistance's, and that of DINOv2's logarithm.
    private static var koleoEpsilon: Double { 1e-8 }

    private var count: Double { Double(images) }
    /// What is multiplied: features, or features less their mean.
    private var paired: Matrix { configuration.kind.looksAtDistances ? centredFeatures : all }
    /// This rank's rows of all.
    private func ownRows(of all: Matrix) -> Matrix { all.rows(firstRow..<firstRow + own.rows) }

    private func centreAll(in context: LayerContext) {
        formMean(of: all, in: context)
        centre(all, into: centredFeatures, in: context)
        guard configuration.kind.looksAtDistances else { return }
        context.forEachChunk(of: images) { range in
            for row in range {
                var (length, projection) = (0.0, 0.0)
                for column in 0..<width {
                    let value = Double(centredFeatures[row, column])
                    length += value * value
                    projection += value * mean[0, column]
                }
                centredProducts[0, row] = length
                centredProducts[1, row] = projection
            }
        }
    }

    /// Σⱼ (zᵢ·zⱼ)² of this row.
    private func squaredSimilarities(row: Int) -> Double {
        guard configuration.kind.looksAtDistances else {
            return unsafe umae_sum_of_squares(similarities.rows(row..<row + 1).pointer, similarities.columns)
        }
        var offset = centredProducts[1, firstRow + row]
        for column in 0..<width { offset += mean[0, column] * mean[0, column] }
        var total = 0.0
        for column in 0..<similarities.columns {
            let value = Double(similarities[row, column]) + centredProducts[1, column] + offset
            total += value * value
        }
        return total
    }

    /// ‖zᵢ - zⱼ‖² of this rank's row and any other.
    private func squaredDistance(row: Int, _ other: Int) -> Double {
        let lengths = centredProducts[0, firstRow + row] + centredProducts[0, other]
        return max(lengths - 2 * Double(similarities[row, other]), 0)
    }

    func evaluatePairs(in context: LayerContext) {
        centreAll(in: context)
        MatrixProduct(ownRows(of: paired), paired, transposeB: true, into: similarities)
            .run(by: context.member, scratch: context.scratch)
        let square = sum(in: context) { squaredSimilarities(row: $0) }
        if context.member.isFirst { parts.inverseEffectiveRank = square }
        switch configuration.kind {
        case .spectralOffdiagonal:
            // An image is 1 with itself.
            let others = sum(in: context) { squaredSimilarities(row: $0) - 1 }
            if context.member.isFirst { parts.loss = others }
        case .uniformity:
            let total = sum(in: context) { exponentiate(row: $0) }
            if context.member.isFirst { pairSum = total }
        case .koleo:
            if !keepsNeighbors { context.forEachChunk(of: own.rows) { findNeighbors(rows: $0) } }
        default:
            if context.member.isFirst { parts.loss = square }
        }
        context.member.wait()
    }

    /// After `pairSum` or `neighbors` hold what all ranks say.
    package func finishPairs(in context: LayerContext) {
        switch configuration.kind {
        case .uniformity:
            if context.member.isFirst { parts.loss = log(pairSum / max(count * (count - 1), 1)) / Double(ranks) }
        case .koleo:
            let total = sum(in: context) { row in
                -log(distance(firstRow + row, Int(neighbors[firstRow + row, 0])) + Self.koleoEpsilon)
            }
            if context.member.isFirst { parts.loss = total }
        default: break
        }
        context.member.wait()
    }

    /// Overwrites `dNormalized` of these rows.
    func pairGradient(rows: Range<Int>, in context: LayerContext) {
        switch configuration.kind {
        case .koleo: context.forEachChunk(of: rows.count) { koleoGradient($0, of: rows) }
        case .uniformity:
            // With eᵢⱼ and their sum E: d/dzᵢ = (2/E)·Σⱼ eᵢⱼ·(-2t)·(zᵢ - zⱼ).
            weighDifferences(rows: rows, Float(4 * configuration.uniformityT / pairSum), in: context)
        default:
            // Σⱼ sᵢⱼ·zⱼ, less what is along zᵢ: normalising takes nothing of that.
            let pairs = configuration.kind == .spectralOffdiagonal ? max(count * (count - 1), 1) : count * count
            weighDifferences(rows: rows, Float(4 / pairs), in: context)
        }
    }

    /// Overwrites `dNormalized` of these rows with factor·Σⱼ wᵢⱼ·(zⱼ - zᵢ), w in place of the similarities.
    private func weighDifferences(rows: Range<Int>, _ factor: Float, in context: LayerContext) {
        let d = dNormalized.rows(rows)
        MatrixProduct(similarities.rows(rows), centredFeatures, into: d)
            .run(by: context.member, scratch: context.scratch)
        let z = ownRows(of: centredFeatures)
        context.forEachChunk(of: rows.count) { range in
            for index in range {
                let row = rows.lowerBound + index
                var total = 0.0
                for column in 0..<similarities.columns { total += Double(similarities[row, column]) }
                for column in 0..<width {
                    d[index, column] = factor * (d[index, column] - Float(total) * z[row, column])
                }
            }
        }
    }

    // MARK: Wang and Isola's uniformity

    /// Replaces similarities of this row by exp(-t·distance²), an image with itself by 0; their sum.
    private func exponentiate(row: Int) -> Double {
        var total = 0.0
        for column in 0..<similarities.columns {
            guard column != firstRow + row else {
                similarities[row, column] = 0
                continue
            }
            let value = exp(-configuration.uniformityT * squaredDistance(row: row, column))
            similarities[row, column] = Float(value)
            total += value
        }
        return total
    }

    // MARK: Kozachenko-Leonenko

    private func findNeighbors(rows: Range<Int>) {
        for row in rows {
            var (best, least) = (0, Double.infinity)
            for column in 0..<similarities.columns where column != firstRow + row {
                let distance = squaredDistance(row: row, column)
                if distance < least { (best, least) = (column, distance) }
            }
            ownNeighbors[row, 0] = Float(best)
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
