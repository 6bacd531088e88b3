package import Communication
package import ImageData
package import ImageSources
internal import Models
package import Tensors

/// Has an encoder see every image of a data set once, each rank its share of them.
package struct FeatureExtraction {
    private let encoder: FrozenEncoder
    private let passes: ImagePasses

    /// - Parameter transform: what becomes of an image; it must not be one that draws numbers.
    package init(_ encoder: FrozenEncoder, _ transform: ImageTransform, plan: MemoryPlan) {
        self.init(encoder, ImagePasses(transform, images: encoder.images, team: encoder.team, plan: plan))
    }

    /// - Parameter passes: of as many images as the encoder's; encoders may share them.
    package init(_ encoder: FrozenEncoder, _ passes: ImagePasses) {
        precondition(passes.images == encoder.images)
        self.encoder = encoder
        self.passes = passes
    }

    /// - Parameters:
    ///   - most: if there are more images, so many of them in equal distances.
    ///   - view: which of the masks of each image, of an encoder that sees masked images.
    ///   - badImages: what becomes of images that cannot be decoded, which have no features; nil for none to be left out.
    /// - Throws: on all ranks, if an image cannot be read. Collective.
    package func run(
        _ source: any ImageSource, most: Int = .max, view: Int = 0, skipping badImages: BadImages? = nil,
        in world: any Communicator
    ) throws -> FeatureSet {
        let images = ImagePasses.own(of: source, most: most, in: world)
        let rows = encoder.features.map { _ in Matrix(rows: images.count, columns: encoder.configuration.embedDim) }
        let kept = try passes.run(source, images, skipping: badImages, in: world) { pass in
            encoder.encode(passes.pixels, pass.samples, view: view, into: rows.map { $0.rows(pass.places) }) {
                pass.prepare(by: $0)
            }
        }
        var counts = [Double](repeating: 0, count: world.size)
        counts[world.rank] = Double(kept.count)
        try world.allReduce(&counts, .sum)
        return FeatureSet(
            rows: Dictionary(uniqueKeysWithValues: zip(encoder.features, rows.map { $0.selecting(kept) })),
            labels: source.classCount == nil ? nil : kept.map { Int32(source.label(at: images[$0])) },
            classCount: source.classCount, counts: counts.map { Int($0) }, rank: world.rank)
    }
}
