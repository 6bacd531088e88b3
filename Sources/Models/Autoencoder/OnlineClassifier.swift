import Foundation
package import Layers
package import Tensors

/// The linear classifier that the public U-MAE code trains beside the autoencoder, on the detached feature: a running
/// measure of what the features hold. Its loss never reaches the backbone.
package struct OnlineClassifier: Sendable {
    private let fc: Linear
    /// [n, classes]: logits, then their gradient.
    private let logits: Matrix
    private let range: Range<Int>

    /// - Parameter parameters: a set that holds `specifications`.
    package init(_ parameters: ParameterSet, images: Int, classes: Int, plan: MemoryPlan) {
        fc = Linear(parameters, "fc", .float32, hasInputGradient: false, plan: plan)
        logits = plan.matrix(.activations, "fc", rows: images, columns: classes)
        range = parameters.range(of: "fc.weight").lowerBound..<parameters.range(of: "fc.bias").upperBound
    }

    package static func specifications(width: Int, classes: Int) -> [ParameterSpecification] {
        Linear.specifications("fc", inFeatures: width, outFeatures: classes)
    }

    static func scratchBytes(images: Int, width: Int, classes: Int) -> Int {
        Linear.scratchBytes(.float32, rows: images, inFeatures: width, outFeatures: classes)
    }

    /// Packs the weights; after every change of them.
    package func packWeights(in context: LayerContext) { fc.pack(in: context) }

    /// This rank's share of the mean cross-entropy, and how many images were classified correctly.
    package struct Outcome: Sendable {
        package var crossEntropy = 0.0
        package var correct = 0
    }

    /// Forward and backward; `labels` is [n, 1], or [n / M, 1] where each image has M views among the features, as
    /// `RandomMasking` orders them. Forms the gradient of the mean cross-entropy over `globalImages`, and
    /// calls `done` with its range. The first member alone learns the outcome and calls `done`.
    package func train(
        features: Matrix, labels: IndexMatrix, globalImages: Int, in context: LayerContext,
        done: (Range<Int>) -> Void = { _ in }
    ) -> Outcome {
        precondition(labels.columns == 1 && labels.rows > 0 && features.rows.isMultiple(of: labels.rows))
        fc.forward(Operand(features), into: logits, in: context)
        var outcome = Outcome()
        context.member.serially {
            for image in 0..<features.rows {
                let label = Int(labels[image % labels.rows, 0])
                logits.rows(image..<image + 1).withMutableElements { row in
                    var best = 0
                    for index in row.indices where row[index] > row[best] { best = index }
                    let top = row[best]
                    var total: Float = 0
                    for index in row.indices { total += exp(row[index] - top) }
                    outcome.crossEntropy += Double(log(total) + top - row[label]) / Double(globalImages)
                    if best == label { outcome.correct += 1 }
                    for index in row.indices {
                        let probability = exp(row[index] - top) / total
                        row[index] = (probability - (index == label ? 1 : 0)) / Float(globalImages)
                    }
                }
            }
        }
        fc.weightBackward(Operand(logits), x: Operand(features), in: context)
        if context.member.isFirst { done(range) }
        return outcome
    }
}
