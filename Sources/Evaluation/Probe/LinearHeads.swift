package import Features
package import Communication
internal import Models
package import Optimization
package import Tensors

/// Linear classifiers of one set of images that are trained together by SGD, as MAE's linear probe is: one for each feature
/// and each learning rate. Those of a feature are one product, so that a grid costs little more than one of them.
///
/// Each head is what it would be alone: it begins with the same weights, and is given the same batches.
package final class LinearHeads {
    /// One of them.
    package struct Head: Equatable, Sendable {
        package let feature: ImageFeature
        /// The base rate: that of 256 images.
        package let baseRate: Double
    }

    package let features: [ImageFeature]
    package let baseRates: [Double]
    let classes: Int
    let width: Int
    /// [1, n]: of each feature the weights [R·C, D] of its R heads, then their biases [1, R·C].
    package let values: Matrix
    package let gradients: Matrix
    package let optimizer: LARS
    let norms: [ImageFeature: BatchNormalization]
    private let world: any Communicator
    private let products: TeamProducts

    /// Rows whose logits are held at a time.
    private static var block: Int { 1024 }
    /// Standard deviation of the weights at the beginning.
    private static var deviation: Float { 0.01 }

    /// - Parameters:
    ///   - baseRates: a head for each; the rate of an update is its own times that of a base rate of 1.
    ///   - statistics: what features are normalised by in a batch.
    package init(
        of features: [ImageFeature], width: Int, classes: Int, baseRates: [Double], _ statistics: BatchStatistics,
        _ configuration: LARS.Configuration = .init(), seed: UInt64, in world: any Communicator, _ team: Team,
        plan: MemoryPlan
    ) {
        self.features = features
        self.baseRates = baseRates
        self.classes = classes
        self.width = width
        self.world = world
        products = TeamProducts(team)
        norms = Dictionary(uniqueKeysWithValues: features.map { ($0, BatchNormalization(width: width, statistics)) })
        let count = features.count * baseRates.count * classes * (width + 1)
        values = plan.matrix(.weights, "linear heads", rows: 1, columns: count)
        gradients = plan.matrix(.gradients, "linear heads", rows: 1, columns: count)
        var tensors: [LARS.Tensor] = []
        for (length, isScaled) in features.flatMap({ _ in [(classes * width, true), (classes, false)] }) {
            for rate in baseRates {
                let start = tensors.last?.group.range.upperBound ?? 0
                tensors.append(
                    LARS.Tensor(
                        ParameterGroup(start..<start + length, decays: isScaled, rateScale: rate), isScaled: isScaled))
            }
        }
        optimizer = LARS(values: values, tensors: tensors, configuration: configuration, plan: plan)
        for index in features.indices { draw(weights(of: index), seed: seed) }
    }

    /// Of each head the same.
    private func draw(_ weights: Matrix, seed: UInt64) {
        for first in stride(from: 0, to: weights.rows, by: classes) {
            var random = SampleRandom(seed: seed, epoch: 0, sample: 0, purpose: .initialization)
            for row in first..<first + classes {
                for column in 0..<width { weights[row, column] = Self.deviation * random.normal() }
            }
        }
    }

    private var perFeature: Int { baseRates.count * classes * (width + 1) }

    /// [R·C, D]
    private func weights(of feature: Int, in memory: Matrix? = nil) -> Matrix {
        let start = feature * perFeature
        return (memory ?? values).columns(start..<start + baseRates.count * classes * width)
            .reshaped(rows: baseRates.count * classes, columns: width)
    }

    /// [1, R·C]
    private func biases(of feature: Int, in memory: Matrix? = nil) -> Matrix {
        let end = (feature + 1) * perFeature
        return (memory ?? values).columns(end - baseRates.count * classes..<end)
    }

    /// One update, by a batch of which each rank has a part. Collective.
    ///
    /// - Parameters:
    ///   - rows: of each feature [n, D], of this rank.
    ///   - count: images of the batch, on all ranks.
    ///   - rate: the learning rate of a base rate of 1.
    /// - Returns: the loss of each head.
    package func step(
        _ rows: [ImageFeature: Matrix], labels: [Int32], count: Int, rate: Double, number: Int
    ) throws -> [Double] {
        var losses: [Double] = []
        for (index, feature) in features.enumerated() {
            guard let own = rows[feature], let norm = norms[feature] else {
                preconditionFailure("a feature is missing")
            }
            let scaling = try norm.scaling(ofBatch: own, in: world)
            losses += differentiate(scaling.scaled(own), labels, of: index, count: count)
        }
        // The gradient, and the losses behind it.
        var sums = gradients.array.map { Double($0) } + losses
        try world.allReduce(&sums, .sum)
        for column in 0..<gradients.columns { gradients[0, column] = Float(sums[column]) }
        products.team.run { [optimizer, gradients] member in
            optimizer.update(gradients, step: number, learningRate: rate, by: member)
        }
        return Array(sums[gradients.columns...])
    }

    /// Forms this rank's part of the gradient of the heads of a feature, and returns that of their losses.
    private func differentiate(_ rows: Matrix, _ labels: [Int32], of feature: Int, count: Int) -> [Double] {
        let (w, b) = (weights(of: feature), biases(of: feature))
        let (dW, db) = (weights(of: feature, in: gradients), biases(of: feature, in: gradients))
        dW.clear()
        db.clear()
        let (heads, classes) = (baseRates.count, classes)
        var losses = [Double](repeating: 0, count: heads)
        let room = Matrix(rows: min(Self.block, max(rows.rows, 1)), columns: w.rows)
        let rowLosses = MatrixView<Double>(rows: room.rows, columns: heads)
        for first in stride(from: 0, to: rows.rows, by: room.rows) {
            let part = rows.rows(first..<min(first + room.rows, rows.rows))
            let logits = room.rows(0..<part.rows)
            products.multiply(part, w, transposeB: true, bias: b, into: logits)
            products.team.run { member in
                member.forEachChunk(of: part.rows) { range in
                    for row in range {
                        for head in 0..<heads {
                            let own = logits.rows(row..<row + 1).columns(head * classes..<(head + 1) * classes)
                            rowLosses[row, head] = CrossEntropy.differentiate(own, Int(labels[first + row]))
                            own.scale(by: 1 / Float(count))
                        }
                    }
                }
            }
            products.multiply(logits, transposeA: true, part, into: dW, adding: true)
            for row in 0..<part.rows {
                for head in 0..<heads { losses[head] += rowLosses[row, head] / Double(count) }
                for column in 0..<logits.columns { db[0, column] += logits[row, column] }
            }
        }
        return losses
    }

    /// Each head as it classifies images in evaluation, in the order of features and, for each, of rates. Collective.
    package func classifiers() throws -> [(head: Head, classifier: LinearClassifier)] {
        var found: [(head: Head, classifier: LinearClassifier)] = []
        for (index, feature) in features.enumerated() {
            guard let norm = norms[feature] else { preconditionFailure("a feature is missing") }
            let scaling = try norm.evaluationScaling(in: world)
            for (place, rate) in baseRates.enumerated() {
                let rows = place * classes..<(place + 1) * classes
                found.append(
                    (
                        Head(feature: feature, baseRate: rate),
                        LinearClassifier(
                            weights: weights(of: index).rows(rows), bias: biases(of: index).columns(rows),
                            scaling: scaling)
                    ))
            }
        }
        return found
    }
}

extension Matrix {
    fileprivate func scale(by factor: Float) {
        withMutableElements { for index in $0.indices { $0[index] *= factor } }
    }
}
