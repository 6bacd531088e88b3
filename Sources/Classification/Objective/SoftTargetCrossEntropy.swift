internal import Foundation
package import Layers
package import Tensors

/// Cross-entropy with targets that have a share of two classes and are smoothed: with C classes and smoothing s, the
/// target of a class is s/C + (1 - s)·(its share of the image), as timm's `mixup_target`; of images of one class it is
/// timm's `LabelSmoothingCrossEntropy`, and with s = 0 the plain one.
package struct SoftTargetCrossEntropy: Sendable {
    package let smoothing: Double
    /// [1, N], of each image of the last micro-batch.
    private let losses: MatrixView<Double>
    /// [1, N]: whether the likeliest class is the one that the image mostly is.
    private let hits: IndexMatrix

    /// - Parameter images: N, at most.
    package init(smoothing: Double, images: Int, plan: MemoryPlan) {
        precondition(smoothing >= 0 && smoothing <= 1)
        self.smoothing = smoothing
        losses = plan.view(.activations, "losses", rows: 1, columns: images)
        hits = plan.indices(.activations, "hits", rows: 1, columns: images)
    }

    /// This rank's share of the mean loss, and how many images were classified correctly.
    package struct Outcome: Equatable, Sendable {
        package var crossEntropy = 0.0
        package var correct = 0
    }

    /// Puts the gradient of the mean loss over `globalImages` in the place of `logits` [N, C]. The first member alone learns
    /// the outcome.
    package func differentiate(
        _ logits: Matrix, _ labels: MixedLabels, globalImages: Int, in context: LayerContext
    ) -> Outcome {
        precondition(labels.first.rows == logits.rows)
        context.forEachChunk(of: logits.rows) { range in
            for image in range { differentiate(logits, labels, image: image, globalImages: globalImages) }
        }
        // In order, so that the number of threads changes no bit.
        var outcome = Outcome()
        context.member.serially {
            for image in 0..<logits.rows {
                outcome.crossEntropy += losses[0, image] / Double(globalImages)
                outcome.correct += Int(hits[0, image])
            }
        }
        return outcome
    }

    private func differentiate(_ logits: Matrix, _ labels: MixedLabels, image: Int, globalImages: Int) {
        let (first, second) = (Int(labels.first[image, 0]), Int(labels.second[image, 0]))
        let weight = Double(labels.weight[image, 0])
        logits.rows(image..<image + 1).withMutableElements { row in
            let logSum = row.span.logSumOfExponentials
            var (best, sum) = (0, 0.0)
            for index in row.indices {
                if row[index] > row[best] { best = index }
                sum += Double(row[index])
            }
            let off = smoothing / Double(row.count)
            let shares = (1 - smoothing) * (weight * Double(row[first]) + (1 - weight) * Double(row[second]))
            losses[0, image] = logSum - (off * sum + shares)
            hits[0, image] = best == labels.main(of: image) ? 1 : 0
            for index in row.indices {
                row[index] = Float((exp(Double(row[index]) - logSum) - off) / Double(globalImages))
            }
            row[first] -= Float((1 - smoothing) * weight / Double(globalImages))
            row[second] -= Float((1 - smoothing) * (1 - weight) / Double(globalImages))
        }
    }
}
