package import Communication
internal import Datasets
internal import Foundation
package import ImageArrays
internal import ImageFiles
package import ImageSources
internal import Settings

/// How the images that a command is told of are found and opened: rank 0 looks what there is, lists all files, and tells the
/// others.
package struct DataOpening {
    package var path: String
    package var kind = ImageDataset.Kind.auto
    /// The file of the classes to take.
    package var classes: String?
    /// Where lists of files are kept: nil for the usual place, empty for none.
    package var cacheDirectory: String?
    /// Whether a list that took long is kept for other runs.
    package var keepsListing = true
    /// Whether files of arrays are copied, so that what becomes of them does not matter any more. Without it plain ones are
    /// read where they lie, which is the faster the less is wanted of them.
    package var copiesArrays = false
    /// The images to generate, where that is what the path asks for.
    package var synthetic = SyntheticImageParameters()
    /// Is told how far the listing is, if it takes long.
    package var say: (String) -> Void = { _ in }

    package init(path: String) { self.path = path }

    /// Opens the images. Collective.
    ///
    /// - Throws: if they cannot be read.
    package func open(_ split: ImageDataset.Split, in world: any Communicator) throws -> any ImageSource {
        let share = copiesArrays ? try world.hostShare() : nil
        let chosen = try world.agree { try DataOptions.classNames(classes) }
        let found = try find(split, chosen, in: world)
        let all: any ImageSource
        if case .unlisted(let images) = found {
            all = try open(images, in: world)
        } else {
            all = try world.agree(during: .readingData) {
                try found.open(split, synthetic: synthetic, sharing: share)
            }
        }
        return try world.agree { try ImageDataset.select(chosen, of: all) }
    }

    /// What rank 0 finds where this rank is told to look. A file system that all ranks ask at once is slow to answer.
    private func find(
        _ split: ImageDataset.Split, _ chosen: Set<String>?, in world: any Communicator
    ) throws -> FoundImages {
        // Ranks that are told to look elsewhere would open what nobody has asked them for.
        try world.agreeOnEqual(
            "flags of data", ["--data-path \(path)", "--data-kind \(kind)", "--classes \(classes ?? "none")"])
        let bytes = try world.fromFirst(during: .readingData) {
            let found: FoundImages
            do throws(ImageDataError) {
                found = try ImageDataset.find(path: path, split: split, kind: kind, classes: chosen)
            } catch {
                guard case .oneClass = error else { throw error }
                throw FlagError("\(error), or --data-kind flat for these images alone, without labels")
            }
            return Array(try JSONEncoder().encode(found))
        }
        return try JSONDecoder().decode(FoundImages.self, from: Data(bytes))
    }

    private func open(_ images: UnlistedImages, in world: any Communicator) throws -> any ImageSource {
        var told = ContinuousClock.now
        let own = try world.agree(during: .readingData) { () -> DatasetListing? in
            guard world.rank == 0 else { return nil }
            return try images.list(cache, keeping: keepsListing) { count in
                guard ContinuousClock.now - told > .seconds(5) else { return }
                told = .now
                say("listing \(path): \(count) images so far")
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
        let directory = cacheDirectory ?? ListingCache.usual(environment: ProcessInfo.processInfo.environment)
        return directory.flatMap { $0.isEmpty ? nil : ListingCache($0) }
    }
}
