package import Communication
package import Evaluation
package import Features
internal import Foundation
package import ImageData
package import ImageSources
internal import Layers
internal import Tensors

/// Has a classifier see every image of a data set once, each rank its share of them.
package struct ClassifierEvaluation {
    package struct Result: Equatable, Sendable {
        /// Mean over the images, without smoothing.
        package let crossEntropy: Double
        package let accuracy: ClassificationAccuracy
    }

    private let classifier: any ImageClassifier
    private let passes: ImagePasses

    /// - Parameter passes: of as many images as the classifier's.
    package init(_ classifier: any ImageClassifier, _ passes: ImagePasses) {
        precondition(passes.images == classifier.images)
        self.classifier = classifier
        self.passes = passes
    }

    /// Collective; every rank returns the same.
    ///
    /// - Parameters:
    ///   - source: images with labels, of the classifier's classes.
    ///   - badImages: what becomes of images that cannot be decoded, which do not count; nil for none to be left out.
    /// - Throws: on all ranks, if an image cannot be read.
    package func run(
        _ source: any ImageSource, skipping badImages: BadImages? = nil, in world: any Communicator
    ) throws -> Result {
        precondition((source.classCount ?? 0) > 0 && (source.classCount ?? 0) <= classifier.classes)
        let own = ImagePasses.own(of: source, most: .max, in: world)
        let places = MatrixView<Int>(rows: 1, columns: own.count)
        let losses = MatrixView<Double>(rows: 1, columns: own.count)
        let classifier = classifier
        passes.team.run { classifier.packWeights(in: classifier.contexts[$0.index]) }
        let kept = try passes.run(source, own, skipping: badImages, in: world) { pass in
            passes.team.run { member in
                pass.prepare(by: member)
                let logits = classifier.logits(of: passes.pixels, in: classifier.contexts[member.index])
                member.forEachChunk(of: pass.places.count) { range in
                    for row in range {
                        let place = pass.places.lowerBound + row
                        let label = source.label(at: own[place])
                        let image = logits.rows(row..<row + 1)
                        places[0, place] = ClassificationAccuracy.place(of: label, in: image)
                        losses[0, place] = image.withElements { $0.logSumOfExponentials - Double($0[label]) }
                    }
                }
            }
        }
        let accuracy = try ClassificationAccuracy(places: kept.lazy.map { places[0, $0] }, in: world)
        var sums = [kept.reduce(0) { $0 + losses[0, $1] }, Double(kept.count)]
        try world.allReduce(&sums, .sum)
        return Result(crossEntropy: sums[0] / max(sums[1], 1), accuracy: accuracy)
    }
}

extension Span<Float> {
    /// log Σ exp, however large the elements are.
    var logSumOfExponentials: Double {
        var top = self[0]
        for index in indices where self[index] > top { top = self[index] }
        var total = 0.0
        for index in indices { total += Double(exp(self[index] - top)) }
        return log(total) + Double(top)
    }
}
