internal import Host
package import ImageFiles
internal import ImageShards
package import ImageSources
package import Tensors

/// Writes the images of a data set into a pack, in their order.
package struct Packing {
    private let source: EncodedImages
    private let recipe: PackRecipe

    package struct Outcome: Sendable {
        package var files = 0
        package var bytes = 0
        /// Images that could not be decoded, and are as they were: how many, and what is wrong with the first.
        package var refused: (count: Int, first: ImageDataError?) = (0, nil)
    }

    /// Images that a thread makes before they are written.
    private static var imagesPerThread: Int { 16 }

    package init(_ source: EncodedImages, _ recipe: PackRecipe) {
        self.source = source
        self.recipe = recipe
    }

    /// - Parameters:
    ///   - path: of the directory, which must not be there yet; where something fails, it is not there afterwards.
    ///   - progress: is told how many images have been written.
    package func write(
        to path: String, shardBytes: Int, on team: Team, progress: (Int) -> Void
    ) throws -> Outcome {
        var writer = try PackWriter(path: path, shardBytes: shardBytes)
        let workers = (0..<team.count).map { _ in PackWorker(source, recipe) }
        var outcome = Outcome()
        do {
            for first in stride(from: 0, to: source.count, by: Self.imagesPerThread * team.count) {
                let images = first..<min(first + Self.imagesPerThread * team.count, source.count)
                team.run { member in
                    let part = member.chunk(of: images.count)
                    workers[member.index].prepare((first + part.lowerBound)..<(first + part.upperBound))
                }
                for worker in workers {
                    for result in worker.results {
                        let image = try result.get()
                        try writer.append(image.bytes.span)
                        guard let refusal = image.refusal else { continue }
                        outcome.refused = (outcome.refused.count + 1, outcome.refused.first ?? refusal)
                    }
                }
                progress(images.upperBound)
            }
        } catch {
            writer.abandon()
            throw error
        }
        outcome.bytes = writer.bytes
        outcome.files = try writer.finish(as: source.index)
        return outcome
    }
}
