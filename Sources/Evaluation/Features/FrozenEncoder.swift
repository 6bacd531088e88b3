internal import Layers
package import Models
package import Safetensors
package import Tensors

/// An encoder that is not trained: it sees whole images and gives their features.
package final class FrozenEncoder {
    package typealias Feature = VisionTransformerConfiguration.Feature

    package let configuration: VisionTransformerConfiguration
    /// Images of one pass, at most.
    package let images: Int
    package let team: Team
    private let encoder: VisionTransformer
    private let activations: VisionTransformer.Activations
    private let contexts: [LayerContext]

    /// - Parameters:
    ///   - encoder: whose weights are those of the moment in which it is asked.
    ///   - images: of one pass, at most.
    package init(_ encoder: VisionTransformer, images: Int, team: Team, plan: MemoryPlan) {
        self.encoder = encoder
        self.images = images
        self.team = team
        configuration = encoder.configuration
        // Blocks need not keep what only backward reads.
        var options = PassOptions()
        options.recomputes = true
        activations = VisionTransformer.Activations(encoder, images: images, .all, options, plan: plan)
        contexts = LayerContext.makeAll(
            team: team, maximumWidth: encoder.maximumWidth,
            scratchBytes: encoder.scratchBytes(images: images, tokens: 1 + configuration.patches), plan: plan)
    }

    /// An encoder of its own weights, those of a file.
    ///
    /// - Throws: `SafetensorsError` naming the first tensor that is missing or has another shape.
    package convenience init(
        _ c: VisionTransformerConfiguration, _ element: ElementType, weights file: SafetensorsFile, images: Int,
        team: Team, plan: MemoryPlan
    ) throws {
        let parameters = ParameterSet(VisionTransformer.specifications(c), plan: plan)
        let encoder = VisionTransformer(c, parameters, element, plan: plan)
        encoder.computePositions()
        try parameters.loadWeights(from: file)
        self.init(encoder, images: images, team: team, plan: plan)
        refreshWeights()
    }

    /// Takes up weights that have changed.
    package func refreshWeights() {
        team.run { [encoder, contexts] in encoder.packWeights(in: contexts[$0.index]) }
    }

    /// Encodes the images that `fill` prepares.
    ///
    /// - Parameters:
    ///   - pixels: [`images`, C·H·W], normalised; what rows hold that are not filled does not matter.
    ///   - outputs: a feature, and where it goes, of as many images as are of interest.
    ///   - fill: prepares rows of `pixels`; each member of the team is given its own.
    func encode(
        _ pixels: Matrix, into outputs: [(feature: Feature, rows: Matrix)],
        fill: @escaping (_ member: TeamMember) -> Void
    ) {
        precondition(pixels.rows == images)
        team.run { [encoder, activations, contexts] member in
            let context = contexts[member.index]
            fill(member)
            encoder.forward(pixels, activations, in: context)
            for (feature, rows) in outputs {
                // Of the last pass only a part is of interest.
                encoder.extract(feature, of: activations, into: activations.features, in: context)
                member.serially { rows.copy(from: activations.features.rows(0..<rows.rows)) }
            }
        }
    }
}
