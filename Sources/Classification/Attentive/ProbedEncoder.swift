package import Layers
package import Models
package import Tensors

/// A frozen encoder, and an attentive probe on its patch tokens behind the final norm.
package final class ProbedEncoder: ImageClassifier {
    package let images: Int
    package let contexts: [LayerContext]
    private let encoder: VisionTransformer
    private let probe: AttentiveProbe
    private let encoded: VisionTransformer.Activations
    private let activations: AttentiveProbe.Activations

    /// - Parameters:
    ///   - encoder: whose weights are packed and no longer change.
    ///   - probe: whose weights are those of the moment in which it is asked.
    ///   - images: of one pass, at most.
    package init(_ encoder: VisionTransformer, _ probe: AttentiveProbe, images: Int, team: Team, plan: MemoryPlan) {
        let tokens = 1 + encoder.configuration.patches
        self.encoder = encoder
        self.probe = probe
        self.images = images
        encoded = VisionTransformer.Activations(encoder, images: images, .all, .forwardAlone, plan: plan)
        activations = AttentiveProbe.Activations(probe.configuration, images: images, tokens: tokens, plan: plan)
        contexts = LayerContext.makeAll(
            team: team, maximumWidth: max(encoder.maximumWidth, probe.configuration.classes),
            scratchBytes: max(
                encoder.scratchBytes(images: images, tokens: tokens), probe.scratchBytes(images: images, tokens: tokens)
            ),
            plan: plan)
    }

    package var classes: Int { probe.configuration.classes }

    package func packWeights(in context: LayerContext) { probe.packWeights(in: context) }

    package func logits(of pixels: Matrix, in context: LayerContext) -> Matrix {
        encoder.forward(pixels, encoded, in: context)
        probe.forward(encoded.latent, activations, in: context)
        return activations.logits
    }

    /// Forms the gradients of the probe's parameters from what stands in the place of the logits that were given last.
    func backward(in context: LayerContext, done: (Range<Int>) -> Void) {
        probe.backward(encoded.latent, activations, in: context, done: done)
    }
}
