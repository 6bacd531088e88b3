import Datasets
import Foundation
import ImageCodecs
import ImageFiles
import ImageSources
import Testing
import TestSupport

@Suite("Listings that are kept")
struct ListingCacheTests {
    private let directory: TemporaryDirectory
    private let cache: ListingCache

    init() throws {
        directory = try TemporaryDirectory()
        cache = ListingCache(directory.file("cache"))
        // Names are all that a listing looks at.
        for number in 0..<1_000 {
            try directory.write("data/a/\(number).png", [])
            try directory.write("data/b/\(number).png", [])
        }
        try directory.write("data/b/note.txt", [])
        try age()
    }

    /// As if nothing had changed for a while.
    private func age() throws {
        for name in ["data", "data/a", "data/b"] {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: directory.file(name))
        }
    }

    private func found(_ classes: Set<String>? = nil) throws -> UnlistedImages {
        guard
            case .unlisted(let images) = try ImageDataset.find(
                path: directory.file("data"), split: .train, classes: classes)
        else { throw CocoaError(.fileNoSuchFile) }
        return images
    }

    /// Whether the files were looked at again.
    private func isListed(_ images: UnlistedImages, _ cache: ListingCache? = nil) throws -> Bool {
        let looks = Counter()
        _ = try images.list(cache ?? self.cache, progress: { _ in looks.count += 1 })
        return looks.count > 0
    }

    private final class Counter { var count = 0 }

    @Test("a listing is made once, and is the same when it is read again")
    func once() throws {
        let images = try found()
        let made = try images.list(cache)
        #expect(made.index.count == 2_000 && made.passedOver == 1 && made.example == "note.txt")
        #expect(try !isListed(images))
        #expect(try images.list(cache) == made && DatasetListing(decoding: made.encoded) == made)
        #expect(try isListed(found(["a"])))
    }

    @Test("a file that is added or taken away is noticed", arguments: ["data/a/new.png", "data/b/1.png"])
    func changes(name: String) throws {
        let images = try found()
        _ = try images.list(cache)
        if name.contains("new") {
            try directory.write(name, [])
        } else {
            try FileManager.default.removeItem(atPath: directory.file(name))
        }
        #expect(try isListed(images))
    }

    @Test("a directory that changed only now is not kept for good")
    func recent() throws {
        try directory.write("data/a/new.png", [])
        let images = try found()
        #expect(try isListed(images) && isListed(images))
    }

    @Test("a damaged listing is made again, and one that shall not be kept is not")
    func damaged() throws {
        let images = try found()
        _ = try images.list(cache, keeping: false)
        #expect(!FileManager.default.fileExists(atPath: directory.file("cache")))
        _ = try images.list(cache)
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.file("cache"))
        let path = directory.file("cache/" + (try #require(names.first)))
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        for place in stride(from: 0, to: bytes.count, by: bytes.count / 40) {
            var damaged = bytes
            damaged[place] ^= 4
            try Data(damaged).write(to: URL(fileURLWithPath: path))
            #expect(try isListed(images))
        }
        for length in [0, 5, 12, 30, bytes.count / 2, bytes.count - 1] {
            try Data(bytes[..<length]).write(to: URL(fileURLWithPath: path))
            #expect(try isListed(images))
            #expect(DatasetListing(decoding: Array(bytes[..<length])) == nil)
        }
        // A place for the cache that cannot be written.
        #expect(try isListed(images, ListingCache(path)))
    }
}
