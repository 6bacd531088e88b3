package import Communication
internal import Datasets
internal import Foundation
internal import ImageArrays
internal import ImageCodecs
internal import ImageFiles
package import ImageSources
package import Models
internal import Pretraining
internal import Settings

extension DataOptions {
    /// The images; generated ones fit the model. One rank looks what there is, lists all files, and tells the others.
    /// Collective.
    ///
    /// - Parameters:
    ///   - keepsListing: whether a listing that took long is kept for other runs.
    ///   - say: is told how far the listing is, if it takes long.
    /// - Throws: if they cannot be read, or are not as many as they should be.
    package func open(
        _ split: ImageDataset.Split, of model: VisionTransformerConfiguration, seed: UInt64, keepsListing: Bool,
        in world: any Communicator, say: @escaping (String) -> Void
    ) throws -> any ImageSource {
        let synthetic = SyntheticImageParameters(
            count: syntheticImages, channels: model.channels,
            size: ImageSize(height: model.imageHeight, width: model.imageWidth), seed: seed)
        let share = try world.hostShare()
        let chosen = try world.agree { try Self.classNames(classes) }
        let found = try find(split, in: world)
        let all: any ImageSource
        if case .unlisted(let images) = found {
            all = try open(images, keepsListing: keepsListing, in: world, say: say)
        } else {
            all = try world.agree(during: .readingData) {
                try found.open(split, synthetic: synthetic, sharing: share)
            }
        }
        var configuration = DataConfiguration()
        apply(to: &configuration)
        return try world.agree {
            let source = try ImageDataset.select(chosen, of: all)
            if let images, images != source.count {
                throw SettingsError(
                    "--images is \(images), and \(dataPath) has \(source.count): is it the data meant?")
            }
            try checkStatistics(of: source)
            return (source as? EncodedImages)?.decoded(configuration.decoding) ?? source
        }
    }

    /// What rank 0 finds where this rank is told to look. A file system that all ranks ask at once is slow to answer.
    private func find(_ split: ImageDataset.Split, in world: any Communicator) throws -> FoundImages {
        // Ranks that are told to look elsewhere would open what nobody has asked them for.
        try world.agreeOnEqual(
            "flags of data", ["--data-path \(dataPath)", "--data-kind \(dataKind)", "--classes \(classes ?? "none")"])
        let bytes = try world.fromFirst(during: .readingData) {
            let found = try ImageDataset.find(
                path: dataPath, split: split, kind: dataKind, classes: try Self.classNames(classes))
            return Array(try JSONEncoder().encode(found))
        }
        return try JSONDecoder().decode(FoundImages.self, from: Data(bytes))
    }

    private func open(
        _ images: UnlistedImages, keepsListing: Bool, in world: any Communicator, say: @escaping (String) -> Void
    ) throws -> any ImageSource {
        let started = ContinuousClock.now
        var told = started
        let own = try world.agree(during: .readingData) { () -> DatasetListing? in
            guard world.rank == 0 else { return nil }
            return try images.list(cache, keeping: keepsListing) { count in
                guard ContinuousClock.now - told > .seconds(5) else { return }
                told = .now
                say("listing \(dataPath): \(count) images so far")
            }
        }
        let bytes = world.size == 1 ? [] : try world.allGather(own?.encoded ?? [])[0]
        return try world.agree {
            guard let listing = own ?? DatasetListing(decoding: bytes) else {
                throw SettingsError("the list of images that rank 0 has sent is damaged")
            }
            return try images.open(listing)
        }
    }

    private var cache: ListingCache? {
        let directory = cacheDir ?? ListingCache.usual(environment: ProcessInfo.processInfo.environment)
        return directory.flatMap { $0.isEmpty ? nil : ListingCache($0) }
    }
}
