package import Communication
package import ImageData
package import ImageSources
internal import Host
internal import Models
internal import Synchronization
package import Tensors

/// Has an encoder see every image of a data set once, each rank its share of them.
package struct FeatureExtraction {
    private let encoder: FrozenEncoder
    private let transform: ImageTransform
    private let features: [FeatureSet.Feature]
    private let pixels: Matrix
    private let workspaces: [AugmentationWorkspace]

    /// - Parameters:
    ///   - transform: what becomes of an image; it must not be one that draws numbers.
    ///   - features: which are kept.
    package init(
        _ encoder: FrozenEncoder, _ transform: ImageTransform, keeping features: [FeatureSet.Feature], plan: MemoryPlan
    ) {
        self.encoder = encoder
        self.transform = transform
        self.features = features
        pixels = plan.matrix(.batches, "images", rows: encoder.images, columns: transform.elementCount)
        workspaces = (0..<encoder.team.count).map { _ in AugmentationWorkspace() }
    }

    /// - Parameters:
    ///   - most: if there are more images, so many of them in equal distances.
    ///   - badImages: what becomes of images that cannot be decoded, which have no features; nil for none to be left out.
    /// - Throws: on all ranks, if an image cannot be read. Collective.
    package func run(
        _ source: any ImageSource, most: Int = .max, skipping badImages: BadImages? = nil,
        in world: any Communicator
    ) throws -> FeatureSet {
        let count = min(source.count, most)
        let own = world.share(of: count)
        let rows = features.map { _ in Matrix(rows: own.count, columns: encoder.configuration.embedDim) }
        let images = own.map { $0 * source.count / count }
        // Of this rank's images, those that have features.
        let kept = try world.agree(during: .evaluating) {
            var bad: Set<Int> = []
            for first in stride(from: 0, to: images.count, by: encoder.images) {
                let part = first..<min(first + encoder.images, images.count)
                for (place, error) in encode(source, images[part], into: rows, at: first) {
                    guard let badImages else { throw error }
                    try badImages.note(images[place], error)
                    bad.insert(place)
                }
            }
            return images.indices.filter { !bad.contains($0) }
        }
        var counts = [Double](repeating: 0, count: world.size)
        counts[world.rank] = Double(kept.count)
        try world.allReduce(&counts, .sum)
        return FeatureSet(
            rows: Dictionary(uniqueKeysWithValues: zip(features, rows.map { $0.selecting(kept) })),
            labels: source.classCount == nil ? nil : kept.map { Int32(source.label(at: images[$0])) },
            classCount: source.classCount, counts: counts.map { Int($0) }, rank: world.rank)
    }

    /// - Returns: the places, among this rank's images, of those that cannot be decoded.
    private func encode(
        _ source: any ImageSource, _ images: ArraySlice<Int>, into rows: [Matrix], at place: Int
    ) -> [(place: Int, error: ImageDataError)] {
        let failures = Mutex<[(place: Int, error: ImageDataError)]>([])
        let outputs = zip(features, rows).map { feature, rows in
            (feature: feature, rows: rows.rows(place..<place + images.count))
        }
        let (pixels, transform, workspaces) = (pixels, transform, workspaces)
        encoder.encode(pixels, into: outputs) { member in
            member.forEachChunk(of: images.count) { range in
                for row in range {
                    do throws(ImageDataError) {
                        try transform.prepare(
                            source, index: images[images.startIndex + row], seed: 0, epoch: 0,
                            workspace: workspaces[member.index], into: pixels.rows(row..<row + 1))
                    } catch {
                        failures.withLock { $0.append((place + row, error)) }
                    }
                }
            }
        }
        return failures.withLock { $0 }.sorted { $0.place < $1.place }
    }
}
