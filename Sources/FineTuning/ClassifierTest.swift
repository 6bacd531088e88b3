package import Classification
internal import Communication
internal import Evaluation
internal import Foundation
package import ImageData
package import ImageSources
internal import Layers
internal import Models
package import Runs
internal import Tensors

/// How well a classifier does on images that it is not trained on, each of which it sees once, whole.
package final class ClassifierTest {
    private let model: VisionTransformerClassifier
    private let source: any ImageSource
    private let badImages: BadImages
    private let passes: ImagePasses
    private let activations: VisionTransformerClassifier.Activations
    private let contexts: [LayerContext]
    private let resources: RankResources

    /// What was found; of all ranks.
    package struct Figures: Equatable, Sendable {
        package let crossEntropy: Double
        /// Shares of the images whose class is the likeliest, and one of the five likeliest.
        package let top1: Double
        package let top5: Double
        package let images: Int
    }

    /// - Parameters:
    ///   - source: images with labels.
    ///   - transform: what becomes of an image; it must not be one that draws numbers.
    ///   - images: of this rank in one pass.
    package init(
        _ model: VisionTransformerClassifier, on source: any ImageSource, _ transform: ImageTransform, images: Int,
        badImages: BadImages.Action, on resources: RankResources
    ) {
        let (team, plan) = (resources.team, resources.memory)
        self.model = model
        self.source = source
        self.resources = resources
        self.badImages = BadImages(badImages, of: source.count)
        passes = ImagePasses(transform, images: images, team: team, plan: plan)
        activations = VisionTransformerClassifier.Activations(model, images: images, plan: plan)
        contexts = model.makeContexts(team: team, images: images, plan: plan)
    }

    /// Collective; every rank returns the same.
    package func run() throws -> Figures {
        let world = resources.communicator
        let own = ImagePasses.own(of: source, most: source.count, in: world)
        var losses = [Double](repeating: 0, count: own.count)
        var places = [Int](repeating: 0, count: own.count)
        resources.team.run { [model, contexts] in model.packWeights(in: contexts[$0.index]) }
        let seen = try passes.run(source, own, skipping: badImages, in: world) { pass in
            resources.team.run { [self] member in
                pass.prepare(by: member)
                model.forward(passes.pixels, activations, in: contexts[member.index])
            }
            for place in pass.places {
                let row = place - pass.places.lowerBound
                let logits = activations.logits.rows(row..<row + 1)
                let label = source.label(at: own[place])
                losses[place] = Self.crossEntropy(of: logits, label)
                places[place] = ClassificationAccuracy.place(of: label, in: logits)
            }
        }
        var sums = [0.0, 0.0, 0.0, 0.0]
        for place in seen {
            sums[0] += losses[place]
            sums[1] += places[place] < 1 ? 1 : 0
            sums[2] += places[place] < 5 ? 1 : 0
            sums[3] += 1
        }
        try world.allReduce(&sums, .sum)
        let count = max(sums[3], 1)
        return Figures(
            crossEntropy: sums[0] / count, top1: sums[1] / count, top5: sums[2] / count, images: Int(sums[3]))
    }

    /// - Parameter logits: [1, C]
    private static func crossEntropy(of logits: Matrix, _ label: Int) -> Double {
        let values = logits.array.map(Double.init)
        let top = values.reduce(-.infinity, max)
        return log(values.reduce(0) { $0 + exp($1 - top) }) + top - values[label]
    }
}
