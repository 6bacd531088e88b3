package import Features
package import Communication
internal import Foundation
package import Tensors

/// Multinomial logistic regression on features, fitted to the minimum by L-BFGS over all ranks' images: the mean
/// cross-entropy plus l2/2 · ‖W‖².
package struct LogisticRegression {
    package var iterations = 300
    package var tolerance = 1e-5
    private let world: any Communicator
    private let scaling: FeatureScaling
    private let problem: Problem
    /// Of all ranks.
    private let count: Double

    /// Collective.
    ///
    /// - Parameter training: features with labels, which are brought to mean 0 and variance 1 first.
    package init(
        _ training: FeatureSet, _ feature: FeatureSet.Feature, classes: Int, in world: any Communicator, _ team: Team
    ) throws {
        guard let labels = training.labels else { preconditionFailure("images need labels") }
        self.world = world
        scaling = try FeatureScaling(of: training[feature], in: world)
        problem = Problem(scaling.scaled(training[feature]), labels, classes: classes, TeamProducts(team))
        count = Double(max(training.count, 1))
    }

    /// Overwrites the classifier that was fitted before. Collective; every rank returns the same.
    package func fit(l2: Double) throws -> LinearClassifier {
        var search = LBFGS()
        (search.iterations, search.tolerance) = (iterations, tolerance)
        let outcome = try search.minimize(from: [Double](repeating: 0, count: problem.parameters)) { point in
            // The loss, and behind it the gradient.
            var sums = try world.agree(during: .evaluating) { problem.sums(at: point) }
            try world.allReduce(&sums, .sum)
            var value = sums.removeLast() / count
            for index in sums.indices {
                sums[index] /= count
                guard index < problem.weights else { continue }
                value += l2 / 2 * point[index] * point[index]
                sums[index] += l2 * point[index]
            }
            return (value, sums)
        }
        problem.take(outcome.point)
        return LinearClassifier(weights: problem.w, bias: problem.bias, scaling: scaling)
    }
}

extension LogisticRegression {
    /// This rank's part of the loss and its gradient.
    private final class Problem {
        /// [C, D] and [1, C]
        let w: Matrix
        let bias: Matrix
        private let rows: Matrix
        private let labels: [Int32]
        private let products: TeamProducts
        /// [n, C], then their gradient.
        private let logits: Matrix
        private let dW: Matrix
        private let losses: MatrixView<Double>

        init(_ rows: Matrix, _ labels: [Int32], classes: Int, _ products: TeamProducts) {
            precondition(labels.count == rows.rows && labels.allSatisfy { $0 >= 0 && $0 < classes })
            self.rows = rows
            self.labels = labels
            self.products = products
            w = Matrix(rows: classes, columns: rows.columns)
            bias = Matrix(rows: 1, columns: classes)
            logits = Matrix(rows: rows.rows, columns: classes)
            dW = Matrix(rows: classes, columns: rows.columns)
            losses = MatrixView(
                rows: 1, columns: max(rows.rows, 1), values: [Double](repeating: 0, count: max(rows.rows, 1)))
        }

        var weights: Int { w.count }
        var parameters: Int { w.count + bias.count }

        func take(_ point: [Double]) {
            for row in 0..<w.rows {
                for column in 0..<w.columns { w[row, column] = Float(point[row * w.columns + column]) }
            }
            for column in 0..<bias.columns { bias[0, column] = Float(point[weights + column]) }
        }

        /// The gradient's sums over this rank's images, and the loss's behind them.
        func sums(at point: [Double]) -> [Double] {
            take(point)
            products.multiply(rows, w, transposeB: true, bias: bias, into: logits)
            let (logits, labels, losses) = (logits, labels, losses)
            products.team.run { member in
                member.forEachChunk(of: logits.rows) { range in
                    for row in range {
                        losses[0, row] = CrossEntropy.differentiate(logits.rows(row..<row + 1), Int(labels[row]))
                    }
                }
            }
            products.multiply(logits, transposeA: true, rows, into: dW)
            var sums = [Double](repeating: 0, count: parameters + 1)
            for row in 0..<dW.rows {
                for column in 0..<dW.columns { sums[row * dW.columns + column] = Double(dW[row, column]) }
            }
            for row in 0..<logits.rows {
                for column in 0..<logits.columns { sums[weights + column] += Double(logits[row, column]) }
                sums[parameters] += losses[0, row]
            }
            return sums
        }
    }
}
