import ImageFiles
import ImageSources
import Testing
import TestSupport

@Suite("Broken tar shards")
struct BrokenTarTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func problem(_ bytes: [UInt8]) throws -> ArchiveProblem? {
        try directory.write("x.tar", bytes)
        return problem(of: "x.tar")
    }

    private func problem(of name: String) -> ArchiveProblem? {
        guard let error = thrownError(ImageDataError.self, by: { try openTar(directory.file(name)) }) else {
            return nil
        }
        #expect(!error.description.contains("\n"))
        guard case .archive(_, let problem) = error else { return nil }
        return problem
    }

    private func tar(_ members: (String, String)...) -> TarBytes {
        var tar = TarBytes()
        for (name, content) in members { tar.add(name, Array(content.utf8)) }
        return tar
    }

    @Test("a header whose checksum is another is named with its place", arguments: [0, 1024])
    func badChecksum(place: Int) throws {
        var bytes = tar(("a.jpg", "1"), ("b.jpg", "2")).finished
        bytes[place + 3] ^= 1
        guard case .damaged(let position, _) = try problem(bytes) else {
            Issue.record("accepted")
            return
        }
        #expect((place...place + 1024).contains(position))
    }

    @Test("a tar cut off in a header or in an image is refused, wherever it is")
    func truncated() throws {
        let whole = tar(("a.jpg", String(repeating: "x", count: 600)), ("b\n.jpg", "2")).bytes
        for count in stride(from: 1, to: whole.count - 511, by: 97) where count != 1536 {
            #expect(try problem(Array(whole.prefix(count))) != nil, "\(count) bytes")
        }
        #expect(try problem(Array(whole.prefix(1000))) == .memberBeyondEnd(member: "a.jpg"))
    }

    @Test("a tar without images says so", arguments: [0, 1, 2])
    func empty(kind: Int) throws {
        let bytes = [[], [UInt8](repeating: 0, count: 1024), tar(("a.txt", "1")).finished][kind]
        try directory.write("x.tar", bytes)
        let error = thrownError(ImageDataError.self) { try openTar(directory.file("x.tar")) }
        guard case .noImages = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("what is no tar is refused")
    func otherContent() throws {
        guard case .damaged = try problem(patternBytes(3000)) else {
            Issue.record("accepted")
            return
        }
    }

    @Test("a compressed tar is to be unpacked, whatever its name says")
    func compressed() throws {
        let bytes = gzipBytes(tar(("a.jpg", "1")).finished)
        #expect(try problem(bytes) == .compressed("gzip"))
        try directory.write("y/x.tar.gz", bytes)
        #expect(problem(of: "y/x.tar.gz") == .compressed("gzip"))
        #expect(problem(of: "y") == .compressed("gzip"))
        #expect(problem(of: "y/{x,}.tar.gz") != nil)
    }

    @Test(
        "labels have to be whole numbers that can be classes",
        arguments: [
            ("cls", "-1"), ("cls", "1.5"), ("cls", "cat"), ("cls", ""), ("cls", "1048576"),
            ("cls", "99999999999999999999"),
            ("json", #"{"label": -1}"#), ("json", #"{"label": "cat"}"#), ("json", #"{"label": 1.5}"#), ("json", "[1"),
            ("json", #"{"cls": 4294967296}"#),
        ])
    func badLabels(suffix: String, text: String) throws {
        let found = try problem(tar(("a.jpg", "1"), ("a.\(suffix)", text)).finished)
        #expect(found == .badLabel(member: "a.\(suffix)", text: text, largest: SampleIndex.mostClasses - 1))
    }

    @Test("either all images have a label, or none has")
    func missingLabel() throws {
        #expect(
            try problem(tar(("a.jpg", "1"), ("a.cls", "0"), ("b.jpg", "1")).finished) == .missingLabel(member: "b.jpg"))
    }

    @Test("a key belongs to one image of a shard")
    func duplicates() throws {
        #expect(
            try problem(tar(("a.jpg", "1"), ("a.cls", "0"), ("a.png", "1")).finished) == .duplicate(member: "a.png"))
        #expect(
            try problem(tar(("b/a.jpg", "1"), ("c/a.jpg", "1"), ("c/a.jpg", "2")).finished)
                == .duplicate(member: "c/a.jpg"))
        // Without labels to find by it, a key is the whole name.
        #expect(try problem(tar(("c/a.1.jpg", "1"), ("c/a.2.jpg", "2")).finished) == nil)
    }

    @Test("a shard that is missing is named")
    func missingShard() throws {
        try directory.write("x-0.tar", tar(("a.jpg", "1")).finished)
        #expect(
            problem(of: "x-{0..2}.tar")
                == .missingShards(count: 2, of: 3, first: directory.file("x-1.tar")))
        #expect(problem(of: "x-{0..1023}{0..1023}{0..9}.tar") == .tooManyShards(most: 1 << 20))
    }

    @Test("a class without images is refused, as it is in a folder")
    func emptyClass() throws {
        var tar = tar(("a/1.jpg", "1"))
        tar.add("b/", [], type: "5")
        try directory.write("x.tar", tar.finished)
        let error = thrownError(ImageDataError.self) { try openTar(directory.file("x.tar")) }
        #expect(error == .emptyClasses(path: directory.path, count: 1, first: "b"))
    }

    @Test("a shard that became shorter or went away is named")
    func changedShard() throws {
        let path = try directory.write("x.tar", tar(("a.jpg", "1"), ("b.jpg", "2")).finished)
        let images = try #require(try openTar(path))
        try directory.write("x.tar", [1, 2, 3])
        let error = thrownError(ImageDataError.self) { try pixels(images, 1) }
        #expect(error == .truncated(path: path, expectedBytes: 1537, foundBytes: 1536))
    }
}
