import Foundation
import Host
import ImageCodecs
import ImageFiles
import ImageShards
import ImageSources
import Testing
import TestSupport

@Suite("Shards brought to a host")
struct StagingTests {
    private let directory: TemporaryDirectory
    private let images: EncodedImages

    init() throws {
        directory = try TemporaryDirectory()
        for shard in 0..<2 {
            var tar = TarBytes()
            for image in 0..<3 {
                let bytes = pngBytes(width: 2, height: 2, patternBytes(12, salt: 3 * shard + image))
                tar.add("\(shard)\(image).png", bytes)
            }
            try directory.write("from/\(shard)/x.tar", tar.finished)
        }
        var decoding = Decoding()
        decoding.exif = .apply
        images = try #require(try openTar(directory.file("from/{0,1}/x.tar"))).decoded(decoding)
    }

    private func staging() throws -> Staging { try #require(Staging(of: images, in: directory.file("disk"))) }

    @Test("are the same images, also without the originals")
    func sameImages() throws {
        let staging = try staging()
        let outcome = try staging.copy()
        #expect(outcome.copiedFiles == 2 && outcome.keptFiles == 0)
        let expected = try (0..<images.count).map { try pixels(images, $0) }
        try FileManager.default.removeItem(atPath: directory.file("from"))
        let staged = try staging.opened()
        #expect(staged.decoding == images.decoding)
        #expect(staged.identity == images.identity && staged.name == images.name)
        #expect(try (0..<staged.count).map { try pixels(staged, $0) } == expected)
    }

    @Test("are brought once, and again where they have changed")
    func onlyWhatChanged() throws {
        let staging = try staging()
        _ = try staging.copy()
        #expect(try staging.copy() == Staging.Outcome(copiedFiles: 0, copiedBytes: 0, keptFiles: 2))
        let path = directory.file("from/1/x.tar")
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: path)
        #expect(try staging.copy() == Staging.Outcome(copiedFiles: 1, copiedBytes: size, keptFiles: 1))
        #expect(try staging.copy().keptFiles == 2)
    }

    @Test("names that are not UTF-8 stay what they are")
    func otherNames() throws {
        let bytes = try TextFile.content(of: directory.file("from/1/x.tar"), limit: 1 << 20)
        let name = Array(directory.file("from/0/").utf8) + [0x79, 0xFF, 0xFE] + Array(".tar".utf8)
        let file = unsafe Directories.withPath(name) { unsafe open($0, O_WRONLY | O_CREAT, 0o600) }
        try #require(file >= 0)
        #expect(unsafe bytes.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) } == bytes.count)
        close(file)
        let images = try #require(try openTar(directory.file("from/0")))
        #expect(images.count == 6)
        let expected = try (0..<6).map { try pixels(images, $0) }
        let staging = try #require(Staging(of: images, in: directory.file("disk")))
        #expect(try staging.examine().copiedFiles == 2)
        #expect(try staging.copy().copiedFiles == 2)
        #expect(try staging.copy() == Staging.Outcome(keptFiles: 2))
        try FileManager.default.removeItem(atPath: directory.file("from"))
        let staged = try staging.opened()
        #expect(try (0..<6).map { try pixels(staged, $0) } == expected)
    }

    @Test("two data sets do not get into each other's way")
    func severalSets() throws {
        let other = try #require(try openTar(directory.file("from/0")))
        let second = try #require(Staging(of: other, in: directory.file("disk")))
        #expect(second.directory != (try staging()).directory)
    }

    @Test("what cannot be written is said, and leaves no part of a file")
    func refused() throws {
        try directory.write("disk", [])
        let error = thrownError(StagingError.self) { try staging().copy() }
        #expect(
            error?.description.hasPrefix(directory.file("disk")) == true, "\(String(describing: error))")
    }

    @Test("more bytes than there is room for are not begun")
    func noRoom() throws {
        // A file of so many bytes takes no room of its own.
        let path = directory.file("from/1/x.tar")
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.truncate(atOffset: 1 << 43)
        try file.close()
        guard case .noRoom = thrownError(StagingError.self, by: { try staging().copy() }) else {
            Issue.record("begun")
            return
        }
    }

    @Test("files that each hold one image are left where they are")
    func folders() throws {
        try directory.write("folder/a.png", [1])
        let root = directory.file("folder")
        let folder = try EncodedImages(name: "", root: root, index: try FolderListing(root, hasClasses: false).index)
        #expect(Staging(of: folder, in: directory.file("disk"))?.directory == nil)
    }
}
