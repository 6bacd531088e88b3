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
    ///   - badImages: what becomes of images that cannot be decoded, which are left out; nil for none to be skipped.
    /// - Throws: on all ranks, if an image cannot be read. Collective.
    package func run(
        _ source: any ImageSource, most: Int = .max, skipping badImages: BadImages? = nil, in world: any Communicator
    ) throws -> FeatureSet {
        let count = min(source.count, most)
        let shares = FeatureSet.shares(of: count, ranks: world.size)
        let own = shares[world.rank]
        let rows = features.map { _ in Matrix(rows: own.count, columns: encoder.configuration.embedDim) }
        let bad = try world.agree(during: .evaluating) { () -> Set<Int> in
            var bad: Set<Int> = []
            for first in stride(from: own.lowerBound, to: own.upperBound, by: encoder.images) {
                let part = first..<min(first + encoder.images, own.upperBound)
                let images = part.map { $0 * source.count / count }
                let place = first - own.lowerBound
                for failure in encode(source, images, into: rows, at: place) {
                    guard let badImages else { throw failure.error }
                    try badImages.note(images[failure.row], failure.error)
                    bad.insert(own.lowerBound + place + failure.row)
                }
            }
            return bad
        }
        let all = FeatureSet(
            rows: Dictionary(uniqueKeysWithValues: zip(features, rows)),
            labels: source.classCount == nil ? nil : own.map { Int32(source.label(at: $0 * source.count / count)) },
            classCount: source.classCount, counts: shares.map(\.count), rank: world.rank)
        guard badImages != nil else { return all }
        // By image, whether it is bad: each rank has to know how many the others leave out.
        var isBad = [Double](repeating: 0, count: count)
        for image in bad { isBad[image] = 1 }
        try world.allReduce(&isBad, .sum)
        return isBad.contains(1) ? all.subset { isBad[$0] == 0 } : all
    }

    /// - Returns: the images that cannot be read, in their order.
    private func encode(
        _ source: any ImageSource, _ images: [Int], into rows: [Matrix], at place: Int
    ) -> [(row: Int, error: ImageDataError)] {
        let failures = Mutex<[(row: Int, error: ImageDataError)]>([])
        let outputs = zip(features, rows).map { feature, rows in
            (feature: feature, rows: rows.rows(place..<place + images.count))
        }
        let (pixels, transform, workspaces) = (pixels, transform, workspaces)
        encoder.encode(pixels, into: outputs) { member in
            member.forEachChunk(of: images.count) { range in
                for row in range {
                    do throws(ImageDataError) {
                        try transform.prepare(
                            source, index: images[row], seed: 0, epoch: 0, workspace: workspaces[member.index],
                            into: pixels.rows(row..<row + 1))
                    } catch {
                        failures.withLock { $0.append((row, error)) }
                    }
                }
            }
        }
        return failures.withLock { $0.sorted { $0.row < $1.row } }
    }
}
