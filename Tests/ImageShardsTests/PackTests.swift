import Host
import ImageCodecs
import ImageFiles
import ImageShards
import ImageSources
import Tensors
import Testing
import TestSupport

@Suite("Packs of images")
struct PackTests {
    private let directory: TemporaryDirectory
    private let folder: EncodedImages
    private let count = 7

    init() throws {
        directory = try TemporaryDirectory()
        for number in 0..<count {
            let image = pngBytes(width: 3 + number, height: 4, patternBytes(12 * (3 + number), salt: number))
            try directory.write("folder/\(number % 2 == 0 ? "cat" : "dog")/\(number).png", image)
        }
        let root = directory.file("folder")
        folder = try EncodedImages(name: "folder", root: root, index: try FolderListing(root, hasClasses: true).index)
    }

    /// All images as they are.
    private func write(_ name: String = "pack", shardBytes: Int = 300) throws -> Int {
        var writer = try PackWriter(path: directory.file(name), shardBytes: shardBytes)
        let buffer = ImageBuffer()
        for index in 0..<count { try folder.encoded(at: index, into: buffer).withElements { try writer.append($0) } }
        return try writer.finish(as: folder.index)
    }

    private func open() throws -> EncodedImages { try Pack.open(path: directory.file("pack")) }

    @Test("has the images of its source, in their order, under one identity")
    func sameImages() throws {
        let files = try write()
        #expect(files > 1)
        let pack = try open()
        #expect(pack.identity == folder.identity && pack.index.names == folder.index.names)
        #expect(pack.index.labels == folder.index.labels && pack.index.classes == folder.index.classes)
        for index in 0..<count { #expect(try pixels(pack, index) == pixels(folder, index)) }
        #expect(try directory.names == ["folder", "pack"])
    }

    @Test("is found by its directory, and by the one above for each split")
    func found() throws {
        _ = try write("pack")
        _ = try write("both/val")
        #expect(try ImageDataset.open(path: directory.file("pack"), split: .train).identity == folder.identity)
        #expect(try ImageDataset.open(path: directory.file("both"), split: .test).identity == folder.identity)
        #expect(
            thrownError(ImageDataError.self) {
                try ImageDataset.open(path: directory.file("pack"), split: .test)
            } != nil)
    }

    @Test("one bit of an image that is another is noticed, and the image named")
    func flippedBit() throws {
        _ = try write(shardBytes: 1 << 20)
        let path = directory.file("pack/shard-00000.bin")
        var bytes = try TextFile.content(of: path, limit: 1 << 20)
        // Of the last image, dog/5.png.
        bytes[bytes.count - 20] ^= 1
        try directory.write("pack/shard-00000.bin", bytes)
        let pack = try open()
        let error = thrownError(ImageDataError.self) { try pixels(pack, count - 1) }
        #expect(
            error
                == .badImage(path: "\(path): dog/5.png", reason: .damaged("its checksum is another")))
        #expect(try pixels(pack, 0) == pixels(folder, 0))
    }

    @Test("an index that was changed or cut off is refused", arguments: [8, 70, -1])
    func damagedIndex(place: Int) throws {
        _ = try write()
        let path = directory.file("pack/index.umae")
        var bytes = try TextFile.content(of: path, limit: 1 << 20)
        if place < 0 { bytes.removeLast() } else { bytes[place] ^= 1 }
        try directory.write("pack/index.umae", bytes)
        let error = thrownError(ImageDataError.self) { try open() }
        guard case .badIndex(path, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("a file that is missing or shorter is named when the pack is opened")
    func missingFile() throws {
        _ = try write()
        let path = directory.file("pack/shard-00001.bin")
        let bytes = try TextFile.content(of: path, limit: 1 << 20)
        try directory.write("pack/shard-00001.bin", Array(bytes.dropLast()))
        #expect(
            thrownError { try open() }
                == ImageDataError.truncated(path: path, expectedBytes: bytes.count, foundBytes: bytes.count - 1))
        try Directories.rename(path, to: path + ".away")
        #expect(
            thrownError { try open() } == ImageDataError.unreadable(path: path, reason: "no such file or directory"))
    }

    @Test("one that is not finished is none, and another may not take its place")
    func unfinished() throws {
        let path = directory.file("pack")
        var writer = try PackWriter(path: path, shardBytes: 100)
        try writer.append([1, 2, 3].span)
        #expect(try !Pack.isPack(path))
        #expect(
            thrownError { _ = try PackWriter(path: path, shardBytes: 1) }
                == PackError.isUnfinished(path: path + ".partial"))
        writer.abandon()
        #expect(try directory.names == ["folder"])
        _ = try write()
        #expect(thrownError { _ = try PackWriter(path: path, shardBytes: 1) } == PackError.isThere(path: path))
    }
}
