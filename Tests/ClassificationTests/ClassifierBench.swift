import Classification
import Layers
import Models
import Tensors

/// A classifier and what a pass of it writes.
struct ClassifierBench {
    let model: VisionTransformerClassifier
    let activations: VisionTransformerClassifier.Activations
    let team: Team
    let contexts: [LayerContext]

    init(
        _ configuration: ClassifierConfiguration, _ element: ElementType = .float32, images: Int, threads: Int = 1,
        recomputes: Bool = false
    ) throws {
        let plan = MemoryPlan()
        var options = PassOptions()
        options.kept = recomputes ? .inputs : .activations
        model = VisionTransformerClassifier(configuration, element, plan: plan)
        activations = VisionTransformerClassifier.Activations(
            model, images: images, dropPath: configuration.dropPath, options, plan: plan)
        team = try Team(threads: threads)
        contexts = model.makeContexts(team: team, images: images, plan: plan)
    }

    struct Outcome {
        var logits: [Float] = []
        var crossEntropy = 0.0
        var correct = 0
        /// Ranges of the gradient as backward finished them.
        var finished: [Range<Int>] = []
    }

    /// Forward, loss and backward of one batch; gradients are then in the model.
    func differentiate(
        _ images: Matrix, _ labels: MixedLabels, smoothing: Double, adds: Bool = false
    ) -> Outcome {
        let loss = SoftTargetCrossEntropy(smoothing: smoothing, images: images.rows, plan: MemoryPlan())
        let result = Result()
        if !adds { model.parameters.gradients.clear() }
        team.run { [self] member in
            var context = contexts[member.index]
            context.addsToWeightGradients = adds
            model.packWeights(in: context)
            model.forward(images, activations, in: context)
            member.serially { result.outcome.logits = activations.logits.array }
            let outcome = loss.differentiate(activations.logits, labels, globalImages: images.rows, in: context)
            if member.isFirst {
                result.outcome.crossEntropy = outcome.crossEntropy
                result.outcome.correct = outcome.correct
            }
            model.backward(activations, in: context) { result.outcome.finished.append($0) }
        }
        return result.outcome
    }

    /// Written by the first thread alone.
    private final class Result: @unchecked Sendable {
        var outcome = Outcome()
    }
}
