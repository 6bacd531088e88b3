import Foundation
import ImageCodecs
import ImageFiles
import ImageSources
import Testing
import TestSupport

@Suite("Folders of image files")
struct FolderTests {
    private func folder(_ files: [String]) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for (salt, file) in files.enumerated() {
            try directory.write(file, samplePNG(ImageSize(height: 3, width: 5), salt: salt))
        }
        return directory
    }

    private func open(
        _ path: String, _ split: ImageDataset.Split = .train, kind: ImageDataset.Kind = .auto,
        classes: Set<String>? = nil
    ) throws -> EncodedImages {
        try #require(try ImageDataset.open(path: path, split: split, kind: kind, classes: classes) as? EncodedImages)
    }

    private func names(_ source: EncodedImages) -> [String] { (0..<source.count).map { source.index.names.text($0) } }

    private func message(_ path: String, kind: ImageDataset.Kind = .auto, classes: Set<String>? = nil) -> String {
        let error = thrownError(ImageDataError.self) {
            try ImageDataset.open(path: path, split: .train, kind: kind, classes: classes)
        }
        return error?.description ?? "accepted"
    }

    @Test("classes are the directories in the order of their bytes, and files follow as torchvision has them")
    func order() throws {
        let directory = try folder([
            "b/2.png", "b/10.png", "a/x.JPG", "a/b-c/1.jpeg", "a/b/1.png", "Z/1.PNG", "é/1.png", "a/.hidden.png",
            "a/text.txt",
        ])
        let source = try open(directory.path)
        #expect(
            names(source) == [
                "Z/1.PNG", "a/x.JPG", "a/b/1.png", "a/b-c/1.jpeg", "b/10.png", "b/2.png", "é/1.png",
            ])
        #expect((0..<7).map { source.label(at: $0) } == [0, 1, 1, 1, 2, 2, 3] && source.classCount == 4)
        #expect(source.notes.count == 1 && source.notes[0].contains("1 file") && source.notes[0].contains("text.txt"))
    }

    @Test("each split is found below the directory, and each alone", arguments: ["train", "val", "test"])
    func splits(name: String) throws {
        let directory = try folder(["train/a/1.png", "train/b/1.png", "\(name)/a/2.png", "\(name)/b/2.png"])
        let split: ImageDataset.Split = name == "train" ? .train : .test
        #expect(try open(directory.path, split).count == (name == "train" ? 4 : 2))
        #expect(try open("\(directory.path)/train").count == (name == "train" ? 4 : 2))
        #expect(try open(directory.path, split).name == Directories.last(directory.path))
    }

    @Test("images in one directory have no labels")
    func flat() throws {
        let directory = try folder(["2.png", "1.jpg", "about.txt"])
        let source = try open(directory.path)
        #expect(names(source) == ["1.jpg", "2.png"] && source.classCount == nil)
        let one = try folder(["data/a/1.png", "data/b/1.png", "data/c/1.png"])
        #expect(try open("\(one.path)/data/a", kind: .flat).count == 1)
    }

    @Test("a directory one level too high or too low is named with the one to give")
    func levels() throws {
        let high = try folder(["imagenet/train/a/1.png", "imagenet/train/b/1.png", "imagenet/val/a/1.png"])
        #expect(message(high.path).hasSuffix("is one level above the data set: give \(high.path)/imagenet"))
        let classes = try folder(["pictures/a/1.png", "pictures/b/1.png"])
        #expect(message(classes.path).hasSuffix("give \(classes.path)/pictures"))
        let deep = try folder(["data/a/1.png", "data/b/1.png", "data/c/1.png"])
        #expect(message("\(deep.path)/data/a").contains("is one class of"))
        #expect(message("\(deep.path)/data/a").contains("/data: give that for all classes"))
        let other = try folder(["val/a/1.png", "val/b/1.png"])
        #expect(message(other.path).contains("has no directory train"))
    }

    @Test("classes may be chosen; one that is missing, and one that is empty, are named")
    func classes() throws {
        let directory = try folder(["a/1.png", "b/1.png", "c/1.png", "d/readme.txt"])
        #expect(message(directory.path).contains("no JPEG or PNG images for class d"))
        let source = try open(directory.path, classes: ["c", "a"])
        #expect(names(source) == ["a/1.png", "c/1.png"] && source.classCount == 2)
        let text = message(directory.path, classes: ["a", "y", "x"])
        #expect(text.contains("2 of the classes asked for are not there, the first of them x"))
    }

    @Test("a directory without images says what was looked for")
    func empty() throws {
        let directory = try TemporaryDirectory()
        #expect(message(directory.path).contains("no train images found; looked for JPEG or PNG files by class"))
        #expect(message(directory.path, kind: .folder).contains("no train images found"))
    }

    @Test("links are followed, and one that leads back is not followed for ever")
    func links() throws {
        let directory = try folder(["data/a/1.png", "elsewhere/2.png"])
        let files = FileManager.default
        try files.createSymbolicLink(
            atPath: directory.file("data/b"), withDestinationPath: directory.file("elsewhere"))
        try files.createSymbolicLink(
            atPath: directory.file("data/a/again"), withDestinationPath: directory.file("data/a"))
        try files.createSymbolicLink(atPath: directory.file("data/a/gone.png"), withDestinationPath: "nowhere")
        let source = try open(directory.file("data"))
        #expect(names(source) == ["a/1.png", "a/gone.png", "b/2.png"])
        let error = thrownError(ImageDataError.self) { try source.decode(at: 1, into: ImageBuffer()) }
        #expect(error?.description.contains("a/gone.png: cannot be read: no such file") == true)
    }

    @Test("names may hold blanks, line ends and bytes that are no UTF-8")
    func strangeNames() throws {
        let directory = try TemporaryDirectory()
        try directory.write("a b/1 2\n3.png", samplePNG(ImageSize(height: 2, width: 2)))
        let name = Array("\(directory.path)/a b/".utf8) + [0xFF, 0xFE] + Array(".png".utf8) + [0]
        let file = unsafe fopen(name.map { CChar(bitPattern: $0) }, "w")
        let bytes = samplePNG(ImageSize(height: 2, width: 2))
        unsafe fwrite(bytes, 1, bytes.count, file)
        unsafe fclose(file)
        let source = try open(directory.path)
        #expect(source.count == 2)
        for index in 0..<2 { #expect(try pixels(source, index) == pixels(source, 0)) }
    }

    @Test("what a file holds decides, not its name", arguments: ["x.jpg", "x.jpeg", "x.png"])
    func content(name: String) throws {
        let directory = try folder([name])
        #expect(try open(directory.path).decode(at: 0, into: ImageBuffer()).size == ImageSize(height: 3, width: 5))
        for (content, text) in [([], "is empty"), (Array("GIF89a".utf8), "is a GIF image"), ([1, 2], "neither JPEG")] {
            try directory.write(name, content)
            let error = thrownError(ImageDataError.self) { try open(directory.path).decode(at: 0, into: ImageBuffer()) }
            #expect(error?.description.contains("\(name): ") == true && error?.description.contains(text) == true)
        }
        try directory.write(name, Array(samplePNG(ImageSize(height: 3, width: 5)).dropLast(20)))
        #expect(throws: ImageDataError.self) { try open(directory.path).decode(at: 0, into: ImageBuffer()) }
    }

    @Test("the same samples have one identity, whatever their extension; others have another")
    func identity() throws {
        func identity(_ files: [String]) throws -> DataIdentity {
            let directory = try folder(files)
            return try open(directory.path).identity
        }
        let first = try identity(["a/1.png", "b/2.png"])
        #expect(try identity(["train/a/1.jpg", "train/b/2.JPEG"]) == first)
        for other in [["a/1.png", "a/2.png"], ["a/1.png", "b/3.png"], ["a/1.png", "b/2.png", "b/3.png"]] {
            #expect(try identity(other) != first)
        }
    }
}

private enum Directories {
    static func last(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
}
