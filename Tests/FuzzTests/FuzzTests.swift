import Foundation
import Glibc
import Host
import ImageArrays
import ImageCodecs
import ImageFiles
import ImageShards
import ImageSources
import Safetensors
import Settings
import Tensors
import Testing
import TestSupport

/// Whatever bytes a reader is given, it gives an answer or an error: it does not end the program, and asks for no more memory
/// than the bytes can be worth.
///
/// scripts/fuzz gives more inputs, with the address sanitizer.
@Suite("Readers and bytes that nobody meant", .serialized)
struct FuzzTests {
    /// Inputs for each reader, and which: UMAE_FUZZ_INPUTS, UMAE_FUZZ_FIRST, UMAE_FUZZ_SEED.
    private static func number(_ name: String, _ usual: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
    }

    /// Read once: the environment is a dictionary made anew, which takes as long as many an input.
    private static let inputs =
        number("UMAE_FUZZ_FIRST", 0)..<number("UMAE_FUZZ_FIRST", 0) + number("UMAE_FUZZ_INPUTS", 80_000)
    private static let seed = UInt64(number("UMAE_FUZZ_SEED", 1))

    /// Calls `body` with inputs made from `seeds`. An input that ends the program is left in a file, whose name is printed.
    private func fuzz(_ seeds: [[UInt8]], _ body: ([UInt8]) throws -> Void) throws {
        let kept = NSTemporaryDirectory() + "umae-fuzz-\(getpid())"
        defer { unsafe unlink(kept) }
        let before = Self.peakBytes
        var accepted = 0
        for number in Self.inputs {
            var mutator = Mutator(seeds, seed: Self.seed, number: number)
            let input = mutator.next()
            if Self.keepsInputs { try Data(input).write(to: URL(fileURLWithPath: kept)) }
            if (try? body(input)) != nil { accepted += 1 }
        }
        for seed in seeds { #expect(throws: Never.self) { try body(seed) } }
        // Otherwise all that is tested is the first check.
        #expect(accepted > 0)
        // The largest image that is decoded has 179 million pixels of 4 bytes.
        #expect(Self.peakBytes - before < 1 << 30)
    }

    private static let keepsInputs = number("UMAE_FUZZ_KEEP", 0) != 0

    private static var peakBytes: Int {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }

    /// JPEG, PNG, and what is not encoded.
    private static let encodings: [[String]] = [[".jpg", ".jpeg"], [".png"], []]

    @Test("images", arguments: encodings)
    func images(suffixes: [String]) throws {
        let buffer = ImageBuffer()
        let seeds =
            suffixes.isEmpty
            ? [Array("P6\n9 7\n255\n".utf8) + patternBytes(189), Array("P6 1\t2\r\n255 ".utf8) + patternBytes(6)]
            : try imageFixtures(suffixes).map(\.bytes).filter { $0.count < 20_000 }
        try fuzz(seeds) { bytes in
            var decoding = Decoding()
            // Each input is decoded in one way.
            if bytes.count & 1 == 0 { decoding.exif = .apply }
            if bytes.count & 2 == 0 { decoding.fidelity = .fast }
            let part = { (size: ImageSize) in
                // As crops are: whole images of impossible sizes take seconds.
                let (height, width) = (min(size.height, 64), min(size.width, 64))
                let box = CropBox(
                    top: (size.height - height) / 2, left: (size.width - width) / 3, height: height, width: width)
                return RequestedPart(
                    box, resizedTo: ImageSize(height: 1 + height / 5, width: 1 + bytes.count % 32))
            }
            let input = suffixes == [".png"] ? withChunkChecksums(bytes) : bytes
            let found = try buffer.decoder.decode(input.span, decoding, request: part, into: buffer)
            #expect(found.pixels.size.pixels <= 64 * 64)
            #expect(found.box.top + found.box.height <= Double(found.pixels.size.height))
            #expect(found.box.left + found.box.width <= Double(found.pixels.size.width))
        }
    }

    /// Without truncating it first, after which file systems bring a file to its disk at once.
    private func write(_ bytes: [UInt8], to path: String) {
        let file = unsafe open(path, O_WRONLY | O_CREAT, 0o600)
        defer { close(file) }
        let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) }
        #expect(written == bytes.count && ftruncate(file, off_t(bytes.count)) == 0)
    }

    /// Gives bytes to a reader of files.
    private func fuzz(file name: String, _ seeds: [[UInt8]], _ body: (String) throws -> Void) throws {
        let directory = try TemporaryDirectory()
        let path = directory.file(name)
        try fuzz(seeds) { bytes in
            write(bytes, to: path)
            try body(path)
        }
    }

    @Test("IDX files")
    func idx() throws {
        let seed: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4] + patternBytes(24)
        try fuzz(file: "images", [seed]) { path in
            let images = try IDXFile.open(name: "fuzz", images: path, labels: nil)
            _ = try images.decode(at: images.count - 1, into: ImageBuffer()).planes
        }
    }

    @Test("CIFAR files")
    func cifar() throws {
        let record = [UInt8(3)] + patternBytes(3072)
        try fuzz(file: "data_batch_1.bin", [record, record + record]) { path in
            let images = try CIFARFile.open(.cifar10, paths: [path])
            _ = try images.decode(at: images.count - 1, into: ImageBuffer()).planes
        }
    }

    /// Reads something of the last image.
    private func readLast(_ images: any ImageSource) throws {
        let view = try images.decode(at: images.count - 1, into: ImageBuffer())
        _ = value(view, row: view.size.height - 1, column: view.size.width - 1, channel: view.channels - 1)
        if images.classCount != nil { _ = images.label(at: images.count - 1) }
    }

    @Test("files of NumPy")
    func npy() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../ImageArraysTests/Fixtures/arrays").standardized
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
            (name: name, bytes: [UInt8](try Data(contentsOf: folder.appendingPathComponent(name))))
        }
        let images = files.filter { !$0.name.hasPrefix("labels") }.map(\.bytes)
        #expect(images.count > 8)
        try fuzz(file: "images.npy", images) { path in
            try readLast(try ImageDataset.open(path: path, split: .train))
        }
        let directory = try TemporaryDirectory()
        let path = directory.file("labels.npy")
        // Three images, and a label for each.
        try directory.write("images.npy", try #require(files.first { $0.name == "rgb.npy" }).bytes)
        try fuzz(files.filter { $0.name.hasPrefix("labels") }.map(\.bytes)) { bytes in
            write(bytes, to: path)
            try readLast(try ImageDataset.open(path: directory.path, split: .train))
        }
    }

    @Test("packs, of which the index says where images are")
    func pack() throws {
        let directory = try TemporaryDirectory()
        for (name, salt) in [("a/1.png", 1), ("b/2.png", 2)] {
            try directory.write("folder/" + name, samplePNG(ImageSize(height: 4, width: 5), salt: salt))
        }
        let folder = try #require(
            try ImageDataset.open(path: directory.file("folder"), split: .train) as? EncodedImages)
        var writer = try PackWriter(path: directory.file("pack"), shardBytes: 100)
        let buffer = ImageBuffer()
        for index in 0..<folder.count {
            try folder.encoded(at: index, into: buffer).withElements { try writer.append($0) }
        }
        #expect(try writer.finish(as: folder.index) == 2)
        let index = directory.file("pack/index.umae")
        try fuzz([[UInt8](try Data(contentsOf: URL(fileURLWithPath: index)))]) { bytes in
            write(withChecksum(bytes), to: index)
            try readLast(try ImageDataset.open(path: directory.file("pack"), split: .train))
        }
    }

    @Test("tar shards")
    func tar() throws {
        let image = samplePNG(ImageSize(height: 4, width: 5))
        let members = [
            ("a/1.png", image), ("a/1.cls", Array("0".utf8)), ("b/2.png", image),
            ("b/2.json", Array(#"{"label": 1}"#.utf8)),
        ]
        let seeds = TarFormat.allCases.map { format in
            var tar = TarBytes(format)
            for (name, bytes) in members { tar.add("./" + name, bytes) }
            tar.add("c/3.cls", Array("2".utf8))
            tar.add("c/3.png", [], type: "1", link: "./a/1.png")
            return tar.finished
        }
        try fuzz(file: "shard.tar", seeds) { path in
            try readLast(try ImageDataset.open(path: path, split: .train, kind: .shards))
        }
    }

    @Test("indices of packs, and listings")
    func index() throws {
        var names = NameTable()
        for name in ["a/1.png", "a/2.png", "b/3.jpg"] { names.append(name) }
        var files = NameTable()
        files.append("shard-00000.bin")
        var classes = NameTable()
        for name in ["a", "b"] { classes.append(name) }
        let places = (0..<3).map { SampleIndex.Place(file: 0, size: 10, offset: UInt64(10 * $0)) }
        let index = SampleIndex(
            names: names, places: places, checksums: [1, 2, 3], files: files, labels: [0, 0, 1], classes: classes)
        // With the right checksum, so that what is behind it is tried too.
        try fuzz([index.encoded]) { bytes in
            let decoded = try SampleIndex(decoding: withChecksum(bytes))
            #expect(decoded.count == decoded.names.count && decoded.identity.count == decoded.count)
        }
        let listing = DatasetListing(index: index, passedOver: 2, example: "x.txt", watched: files)
        try fuzz([listing.encoded]) { bytes in
            guard let decoded = DatasetListing(decoding: bytes) else { throw CocoaError(.fileReadCorruptFile) }
            #expect(decoded.index.count == decoded.index.names.count)
        }
    }

    @Test("files of tensors")
    func safetensors() throws {
        let header = #"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"__metadata__":{"format":"pt"}}"#
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
        try fuzz(file: "x.safetensors", [length + Array(header.utf8) + patternBytes(24)]) { path in
            _ = try SafetensorsFile(path: path)
        }
    }

    @Test("recipes")
    func recipes() throws {
        let texts = [
            "model: mae_vit_tiny_patch4\nepochs: 3\nlr: 1e-3\nnorm_pix_loss: false\n# a comment\nmean: 0.5,0.5,0.5\n",
            "a: &x 1\nd: *x\ne: |\n  text\n  more\n'f': \"g\\n\"\n", "---\nx: !!str 1\n...\n",
            "{a: 1, b: [}",
        ]
        try fuzz(texts.dropLast().map { Array($0.utf8) }) { bytes in
            _ = try RecipeFile.entries(of: String(decoding: bytes, as: UTF8.self), path: "recipe.yaml")
        }
    }
}

/// The bytes with the checksum at their end that they should have.
private func withChecksum(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.count > 4 else { return bytes }
    var checksum = Checksum()
    let content = bytes.dropLast(4)
    unsafe checksum.add(content.span.bytes)
    let value = checksum.value
    return bytes.dropLast(4) + (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// A PNG file whose chunks have the checksums that they should have, as far as it is divided into chunks.
private func withChunkChecksums(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    var start = 8
    while start + 12 <= bytes.count {
        let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        let end = start + 8 + length
        guard end + 4 <= bytes.count else { break }
        var checksum = Checksum()
        let content = bytes[start + 4..<end]
        unsafe checksum.add(content.span.bytes)
        for index in 0..<4 { bytes[end + index] = UInt8(truncatingIfNeeded: checksum.value >> UInt32(24 - 8 * index)) }
        start = end + 4
    }
    return bytes
}
