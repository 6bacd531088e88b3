import ImageCodecs
import ImageFiles
import ImageSources
import Tensors
import Testing
import TestSupport

@Suite("Images in tar shards")
struct TarIndexTests {
    private static func text(_ table: NameTable) -> [String] { (0..<table.count).map { table.text($0) } }

    private static func contents(_ images: EncodedImages) throws -> [[UInt8]] {
        let buffer = ImageBuffer()
        return try (0..<images.count).map { index in
            try images.encoded(at: index, into: buffer).withElements { span in span.indices.map { span[$0] } }
        }
    }

    private static func open(_ directory: TemporaryDirectory, _ name: String = "") throws -> EncodedImages {
        try #require(try openTar(directory.file(name)))
    }

    @Test("members are found and read in every format, whatever their names are", arguments: TarFormat.allCases)
    func formats(format: TarFormat) throws {
        let long = String(repeating: "d", count: 120) + "/" + String(repeating: "é", count: 60) + ".jpg"
        var names = ["a/b c.jpg", "a/line\nbreak.PNG", "b/ü.jpeg"].map { Array($0.utf8) }
        if format != .ustar { names.append(Array(long.utf8)) }
        // pax has names in UTF-8.
        if format != .pax { names.append([0x63, 0x2F, 0xFF, 0xFE] + Array(".jpg".utf8)) }
        var tar = TarBytes(format)
        for (number, name) in names.enumerated() { tar.add(name, patternBytes(700 * number + 1, salt: number)) }
        let directory = try TemporaryDirectory()
        try directory.write("x.tar", tar.finished)
        let images = try Self.open(directory, "x.tar")
        let order = names.indices.sorted { names[$0].lexicographicallyPrecedes(names[$1]) }
        #expect((0..<images.count).map { Array(images.index.names[$0]) } == order.map { names[$0] })
        #expect(try Self.contents(images) == order.map { patternBytes(700 * $0 + 1, salt: $0) })
    }

    @Test("a folder and a tar of it are the same data set")
    func sameAsFolder() throws {
        let directory = try TemporaryDirectory()
        // The order of names and that of paths differ: '-' comes before '/'.
        let names = [
            "a-b/1.png", "a/10.png", "a/2.png", "a/2-x.png", "a/sub/0.png", "a/sub-b/0.png", "b/x.y.PNG", "b/x.z.png",
        ]
        var (first, second) = (TarBytes(), TarBytes(.gnu))
        for name in ["./", "./a", "./a/sub", "./b"] { first.add(name, [], type: "5") }
        for (number, name) in names.enumerated() {
            let image = pngBytes(width: 2, height: 3, patternBytes(18, salt: number))
            try directory.write("folder/" + name, image)
            if number % 2 == 0 { first.add("./" + name, image) } else { second.add(name, image) }
        }
        for name in ["top.png", "a/.hidden.png", "a/note.txt", ".git/x.png"] {
            try directory.write("folder/" + name, [1])
            first.add("./" + name, [1])
        }
        try directory.write("shards/x-0.tar", second.finished)
        try directory.write("shards/x-1.tar", first.finished)
        let root = directory.file("folder")
        let folder = try EncodedImages(
            name: "folder", root: root, index: try FolderListing(root, hasClasses: true).index)
        for path in ["shards", "shards/x-{0..1}.tar", "shards/x-{1,0}.tar"] {
            let tar = try Self.open(directory, path)
            #expect(Self.text(tar.index.names) == Self.text(folder.index.names))
            #expect(tar.index.labels == folder.index.labels && tar.index.classes == folder.index.classes)
            #expect(tar.identity == folder.identity && tar.classCount == 3)
            for index in 0..<folder.count { #expect(try pixels(tar, index) == pixels(folder, index)) }
        }
    }

    @Test("a directory around all classes is none of them")
    func commonDirectory() throws {
        let directory = try TemporaryDirectory()
        var tar = TarBytes()
        for name in ["data/train/", "data/train/cat/"] { tar.add(name, [], type: "5") }
        for name in ["data/train/cat/1.jpg", "data/train/dog/1.jpg"] { tar.add(name, [1]) }
        try directory.write("x.tar", tar.finished)
        let index = try Self.open(directory, "x.tar").index
        #expect(Self.text(index.names) == ["cat/1.jpg", "dog/1.jpg"] && Self.text(index.classes) == ["cat", "dog"])
        var flat = TarBytes()
        flat.add("photographs/", [], type: "5")
        flat.add("photographs/1.jpg", [1])
        try directory.write("flat.tar", flat.finished)
        let unlabelled = try Self.open(directory, "flat.tar").index
        #expect(Self.text(unlabelled.names) == ["1.jpg"] && unlabelled.labels == nil)
    }

    @Test("labels stand beside images, as text or in an object")
    func labels() throws {
        let directory = try TemporaryDirectory()
        var (first, second) = (TarBytes(), TarBytes())
        first.add("0003.jpg", [3])
        first.add("0003.cls", Array("7\n".utf8))
        first.add("0001.json", Array(#"{"label": 2, "text": "a"}"#.utf8))
        first.add("0001.left.PNG", [1])
        second.add("0002.jpeg", [2])
        second.add("0002.json", Array(#"{"cls": 9, "width": 1.5}"#.utf8))
        second.add("0002.cls", Array("0".utf8))
        second.add("0002.txt", Array("a caption".utf8))
        try directory.write("x-0.tar", first.finished)
        try directory.write("x-1.tar", second.finished)
        let images = try Self.open(directory)
        #expect(Self.text(images.index.names) == ["0001.left.PNG", "0002.jpeg", "0003.jpg"])
        #expect(images.index.labels == [2, 0, 7] && images.classCount == 8)
        #expect(try Self.contents(images) == [[1], [2], [3]])
    }

    @Test("images without labels have none; keys may begin again in each shard")
    func unlabelled() throws {
        let directory = try TemporaryDirectory()
        for shard in 0..<2 {
            var tar = TarBytes()
            for image in 0..<2 { tar.add("\(image).jpg", [UInt8(10 * shard + image)]) }
            tar.add("0.json", Array(#"{"width": 3}"#.utf8))
            try directory.write("\(shard).tar", tar.finished)
        }
        let images = try Self.open(directory)
        #expect(images.classCount == nil)
        #expect(try Self.contents(images) == [[0], [10], [1], [11]])
    }

    @Test("a second name of a file is a second image")
    func hardLinks() throws {
        let directory = try TemporaryDirectory()
        var tar = TarBytes()
        tar.add("./b/1.jpg", [5])
        tar.add("./a/2.jpg", [], type: "1", link: "./b/1.jpg")
        tar.add("./a/3.jpg", [], type: "2", link: "../b/1.jpg")
        try directory.write("x.tar", tar.finished)
        let images = try Self.open(directory, "x.tar")
        #expect(Self.text(images.index.names) == ["a/2.jpg", "b/1.jpg"])
        #expect(try Self.contents(images) == [[5], [5]])
    }

    @Test("names that lead elsewhere are those that tar would unpack them under")
    func outsideNames() throws {
        let directory = try TemporaryDirectory()
        var tar = TarBytes()
        for name in ["/a/1.jpg", "../a/2.jpg", "b/../../c/3.jpg"] { tar.add(name, [1]) }
        try directory.write("x.tar", tar.finished)
        #expect(Self.text(try Self.open(directory, "x.tar").index.names) == ["a/1.jpg", "a/2.jpg", "c/3.jpg"])
    }

    @Test("shards for validation are not trained on")
    func splits() throws {
        let directory = try TemporaryDirectory()
        for (number, name) in ["set-train-0.tar", "set-validation-0.tar"].enumerated() {
            var tar = TarBytes()
            for image in 0...number { tar.add("\(image).jpg", [1]) }
            try directory.write(name, tar.finished)
        }
        #expect(try openTar(directory.path, split: .train)?.count == 1)
        #expect(try openTar(directory.path, split: .test)?.count == 2)
    }

    @Test("what is no shard is left to others")
    func noShards() throws {
        let directory = try TemporaryDirectory()
        try directory.write("a.jpg", [1])
        for name in ["", "a.jpg", "nothing", "nothing{"] {
            #expect(try openTar(directory.file(name))?.count == nil, "\(name)")
        }
    }
}
