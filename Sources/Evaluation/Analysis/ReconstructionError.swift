package import Features
package import Communication
package import ImageData
package import ImageSources
internal import Layers
package import Models
package import Tensors

/// How well a masked autoencoder reconstructs images that it is not trained on: its loss over a data set, each image through
/// one mask.
package final class ReconstructionError {
    private let model: MaskedAutoencoder
    private let passes: ImagePasses
    private let activations: MaskedAutoencoder.Activations
    private let contexts: [LayerContext]

    /// - Parameter passes: of images as the model was trained on.
    package init(_ model: MaskedAutoencoder, _ passes: ImagePasses, plan: MemoryPlan) {
        self.model = model
        self.passes = passes
        activations = MaskedAutoencoder.Activations(model, images: passes.images, .forwardAlone, plan: plan)
        contexts = model.makeContexts(team: passes.team, images: passes.images, others: 0, plan: plan)
    }

    /// The mean over the masked patches of the images that can be decoded. Collective; every rank returns the same.
    package func run(
        _ source: any ImageSource, most: Int = .max, skipping badImages: BadImages? = nil, in world: any Communicator
    ) throws -> Double {
        let own = ImagePasses.own(of: source, most: most, in: world)
        var losses = [Double](repeating: 0, count: own.count)
        passes.team.run { [model, contexts] in model.packWeights(in: contexts[$0.index]) }
        let kept = try passes.run(source, own, skipping: badImages, in: world) { pass in
            passes.team.run { [model, activations, contexts, passes] member in
                let context = contexts[member.index]
                pass.prepare(by: member)
                context.forEachChunk(of: activations.images) {
                    activations.masking.draw(seed: 0, epoch: 0, samples: pass.samples, images: $0)
                }
                model.encode(passes.pixels, activations, in: context)
                model.decode(activations, in: context)
                _ = model.reconstructionLoss(passes.pixels, activations, globalImages: 1, in: context)
            }
            for place in pass.places {
                losses[place] = activations.meanLoss(ofImage: place - pass.places.lowerBound)
            }
        }
        var sums = [kept.reduce(0) { $0 + losses[$1] }, Double(kept.count)]
        try world.allReduce(&sums, .sum)
        return sums[0] / max(sums[1], 1)
    }
}
