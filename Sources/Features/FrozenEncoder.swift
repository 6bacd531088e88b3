internal import Layers
package import Models
package import Tensors

/// An encoder that is not trained: it sees images, whole or masked, and gives their features.
package final class FrozenEncoder {
    package let configuration: VisionTransformerConfiguration
    /// Images of one pass, at most.
    package let images: Int
    package let team: Team
    /// What it gives of an image.
    package let features: [ImageFeature]
    private let encoder: VisionTransformer
    private let masking: RandomMasking?
    private let activations: VisionTransformer.Activations
    private let contexts: [LayerContext]

    /// - Parameters:
    ///   - encoder: whose weights are those of the moment in which it is asked.
    ///   - masking: of as many images, by which they are masked; nil for whole ones.
    ///   - images: of one pass, at most.
    package init(
        _ encoder: VisionTransformer, masking: RandomMasking? = nil, images: Int, features: [ImageFeature], team: Team,
        plan: MemoryPlan
    ) {
        self.encoder = encoder
        self.masking = masking
        self.images = images
        self.team = team
        self.features = features
        configuration = encoder.configuration
        var options = PassOptions.forwardAlone
        let blocks = features.map(\.block).max() ?? 0
        options.keptStages = blocks == 0 ? 0 : 1 + blocks
        // What the last block makes of patches is a twelfth of a ViT-B.
        options.onlyClassToken = features.allSatisfy { $0.block == 0 && $0.pooling != .pooled }
        activations = VisionTransformer.Activations(
            encoder, images: images, masking.map { .kept($0) } ?? .all, options, plan: plan)
        contexts = LayerContext.makeAll(
            team: team, maximumWidth: encoder.maximumWidth,
            scratchBytes: encoder.scratchBytes(
                images: images, tokens: 1 + (masking?.keptPatches ?? configuration.patches)), plan: plan)
    }

    /// Takes up weights that have changed.
    package func refreshWeights() {
        team.run { [encoder, contexts] in encoder.packWeights(in: contexts[$0.index]) }
    }

    /// Encodes images that are there, [`images`, C·H·W], and leaves the features to nobody: for measuring.
    package func encode(_ pixels: Matrix) {
        encode(
            pixels, MatrixView<Int>(rows: images, columns: 1),
            into: features.map { _ in Matrix(rows: images, columns: configuration.embedDim) }, fill: { _ in })
    }

    /// Encodes the images that `fill` prepares.
    ///
    /// - Parameters:
    ///   - pixels: [`images`, C·H·W], normalised; what rows hold that are not filled does not matter.
    ///   - samples: [`images`, 1]: the images' numbers in their data set, which decide of their masks.
    ///   - view: which of the masks of each.
    ///   - outputs: where each of the features goes, of as many images as are of interest.
    ///   - fill: prepares rows of `pixels`; each member of the team is given its own.
    package func encode(
        _ pixels: Matrix, _ samples: MatrixView<Int>, view: Int = 0,
        into outputs: [Matrix], fill: @escaping (_ member: TeamMember) -> Void
    ) {
        precondition(pixels.rows == images)
        team.run { [encoder, masking, activations, contexts, images, features] member in
            let context = contexts[member.index]
            if let masking {
                member.forEachChunk(of: images) { masking.draw(seed: 0, epoch: view, samples: samples, images: $0) }
            }
            fill(member)
            encoder.forward(pixels, activations, in: context)
            for (feature, rows) in zip(features, outputs) {
                encoder.extract(
                    feature.pooling, ofBlock: feature.block, of: activations, into: activations.features, in: context)
                // Of the last pass only a part is of interest.
                member.serially { rows.copy(from: activations.features.rows(0..<rows.rows)) }
            }
        }
    }
}
