package import Layers
internal import Models
package import Tensors

/// What finds out of which class images are, a pass at a time.
package protocol ImageClassifier: AnyObject, Sendable {
    /// Of one pass, at most.
    var images: Int { get }
    var classes: Int { get }
    /// One for each member of the team.
    var contexts: [LayerContext] { get }

    /// Takes up weights that have changed. Every member of a team calls it.
    func packWeights(in context: LayerContext)

    /// [`images`, C]: the logits of `pixels` [`images`, C·H·W], until the next call. Every member of a team calls it.
    func logits(of pixels: Matrix, in context: LayerContext) -> Matrix
}

/// A classifier as it is in use: no branch is dropped, and nothing is kept for backward.
package final class ClassifierInUse: ImageClassifier {
    package let images: Int
    package let contexts: [LayerContext]
    private let model: VisionTransformerClassifier
    private let activations: VisionTransformerClassifier.Activations

    /// - Parameters:
    ///   - model: whose weights are those of the moment in which it is asked.
    ///   - images: of one pass, at most.
    package init(_ model: VisionTransformerClassifier, images: Int, team: Team, plan: MemoryPlan) {
        self.model = model
        self.images = images
        activations = VisionTransformerClassifier.Activations(model, images: images, .forwardAlone, plan: plan)
        contexts = model.makeContexts(team: team, images: images, plan: plan)
    }

    package var classes: Int { model.configuration.classes }

    package func packWeights(in context: LayerContext) { model.packWeights(in: context) }

    package func logits(of pixels: Matrix, in context: LayerContext) -> Matrix {
        model.forward(pixels, activations, in: context)
        return activations.logits
    }
}
