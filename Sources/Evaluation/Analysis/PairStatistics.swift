package import Features
package import Communication
internal import Foundation
internal import LinearAlgebra
package import Tensors

/// How alike the features of different images are, all brought to length 1: over every pair of different images of the data
/// set, of all ranks.
package struct PairStatistics: Equatable, Sendable, Codable {
    /// Mean squared cosine: the uniformity loss of U-MAE over different images. 1/D for features that are spread evenly.
    package let meanSquaredCosine: Double
    /// log of the mean of exp(-2·‖x - y‖²), after Wang and Isola 2020: 0 if all are one, -4 on average at random.
    package let uniformity: Double
    /// Mean cosine of two images of one class, each pair counting once; nil for images without labels. Alignment is of views
    /// of one image; this is its bound by classes (Wang et al. 2022).
    package let classAlignment: Double?
    /// Mean cosine of two images of different classes, likewise.
    package let otherClassCosine: Double?

    /// Images that are compared at a time.
    private static var block: Int { 256 }

    /// Collective; every rank returns the same.
    package init(
        of features: FeatureSet, _ feature: ImageFeature, in world: any Communicator, _ team: Team
    ) throws {
        let own = features[feature].normalizedRows(by: team)
        let moments = try FeatureMoments(of: own, in: world)
        let count = moments.count
        let pairs = max(count * (count - 1), 1)
        var squares = 0.0
        for row in 0..<moments.gram.rows {
            for column in 0..<moments.gram.columns {
                squares += moments.gram[row, column] * moments.gram[row, column]
            }
        }
        // Those of an image with itself are 1, or 0 of a feature that is all zero: so many are the trace.
        let trace = (0..<moments.gram.rows).reduce(0.0) { $0 + moments.gram[$1, $1] }
        meanSquaredCosine = (squares - trace) / pairs
        uniformity = try Self.uniformity(own, features, pairs: pairs, in: world, team)

        guard let labels = features.labels, let classes = features.classCount else {
            (classAlignment, otherClassCosine) = (nil, nil)
            return
        }
        let sums = try Self.classSums(of: own, labels, classes: classes, in: world)
        let ofOne = sums.reduce(into: (cosines: 0.0, pairs: 0.0)) { total, sum in
            total.cosines += sum.squaredLength - sum.trace
            total.pairs += sum.count * (sum.count - 1)
        }
        let all = moments.sum.reduce(0) { $0 + $1 * $1 } - trace
        classAlignment = ofOne.cosines / max(ofOne.pairs, 1)
        otherClassCosine = (all - ofOne.cosines) / max(pairs - ofOne.pairs, 1)
    }

    private static func uniformity(
        _ own: Matrix, _ features: FeatureSet, pairs: Double, in world: any Communicator, _ team: Team
    ) throws -> Double {
        let all = Matrix(rows: features.count, columns: own.columns)
        try world.allGather(own, rowCounts: features.counts, into: all)
        let first = FeatureSet.range(of: features.rank, in: features.counts).lowerBound
        let products = TeamProducts(team)
        let room = Matrix(rows: Self.block, columns: all.rows)
        var total = [0.0]
        try world.agree(during: .evaluating) {
            for start in stride(from: 0, to: own.rows, by: Self.block) {
                let part = own.rows(start..<min(start + Self.block, own.rows))
                let cosines = room.rows(0..<part.rows)
                products.multiply(part, all, transposeB: true, into: cosines)
                let sums = MatrixView<Double>(rows: 1, columns: part.rows)
                team.run { member in
                    member.forEachChunk(of: part.rows) { range in
                        for row in range {
                            sums[0, row] = Self.potentials(cosines.rows(row..<row + 1), itself: first + start + row)
                        }
                    }
                }
                for row in 0..<part.rows { total[0] += sums[0, row] }
                world.noteProgress()
            }
        }
        try world.allReduce(&total, .sum)
        return log(total[0] / pairs)
    }

    /// Σ exp(-2·‖x - y‖²) over one image's cosines, that with itself left out.
    private static func potentials(_ cosines: Matrix, itself: Int) -> Double {
        cosines.withElements { cosines in
            var total = 0.0
            for index in cosines.indices where index != itself {
                total += Double(exp(4 * (min(cosines[index], 1) - 1)))
            }
            return total
        }
    }

    private struct ClassSum {
        var squaredLength: Double
        /// Of the images' products with themselves.
        var trace: Double
        var count: Double
    }

    /// Collective.
    private static func classSums(
        of rows: Matrix, _ labels: [Int32], classes: Int, in world: any Communicator
    ) throws -> [ClassSum] {
        let width = rows.columns
        // For each class the sum of its features, their squares, and how many there are.
        var sums = [Double](repeating: 0, count: classes * (width + 2))
        for row in 0..<rows.rows {
            let start = Int(labels[row]) * (width + 2)
            for column in 0..<width {
                let value = Double(rows[row, column])
                sums[start + column] += value
                sums[start + width] += value * value
            }
            sums[start + width + 1] += 1
        }
        try world.allReduce(&sums, .sum)
        return (0..<classes).map { label in
            let part = sums[label * (width + 2)..<(label + 1) * (width + 2)]
            return ClassSum(
                squaredLength: part.dropLast(2).reduce(0) { $0 + $1 * $1 }, trace: part.suffix(2).first ?? 0,
                count: part.last ?? 0)
        }
    }
}
