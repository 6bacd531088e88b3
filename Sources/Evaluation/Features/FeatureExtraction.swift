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

    /// - Parameter most: if there are more images, so many of them in equal distances.
    /// - Throws: on all ranks, if an image cannot be read. Collective.
    package func run(
        _ source: any ImageSource, most: Int = .max, in world: any Communicator
    ) throws -> FeatureSet {
        let count = min(source.count, most)
        let shares = FeatureSet.shares(of: count, ranks: world.size)
        let own = shares[world.rank]
        let rows = features.map { _ in Matrix(rows: own.count, columns: encoder.configuration.embedDim) }
        try world.agree(during: .evaluating) {
            for first in stride(from: own.lowerBound, to: own.upperBound, by: encoder.images) {
                let part = first..<min(first + encoder.images, own.upperBound)
                try encode(
                    source, part.map { $0 * source.count / count }, into: rows, at: first - own.lowerBound)
            }
        }
        return FeatureSet(
            rows: Dictionary(uniqueKeysWithValues: zip(features, rows)),
            labels: source.classCount == nil ? nil : own.map { Int32(source.label(at: $0 * source.count / count)) },
            classCount: source.classCount, counts: shares.map(\.count), rank: world.rank)
    }

    private func encode(
        _ source: any ImageSource, _ images: [Int], into rows: [Matrix], at place: Int
    ) throws {
        // The first image that cannot be read.
        let failure = Mutex<(image: Int, error: ImageDataError)?>(nil)
        let outputs = zip(features, rows).map { feature, rows in
            (feature: feature, rows: rows.rows(place..<place + images.count))
        }
        let (pixels, transform, workspaces) = (pixels, transform, workspaces)
        encoder.encode(pixels, into: outputs) { member in
            member.forEachChunk(of: images.count) { range in
                for row in range {
                    let image = images[row]
                    do throws(ImageDataError) {
                        try transform.prepare(
                            source, index: image, seed: 0, epoch: 0, workspace: workspaces[member.index],
                            into: pixels.rows(row..<row + 1))
                    } catch {
                        failure.withLock { if image < $0?.image ?? .max { $0 = (image, error) } }
                    }
                }
            }
        }
        if let found = failure.withLock({ $0 }) { throw found.error }
    }
}
