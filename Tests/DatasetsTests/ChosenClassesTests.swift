import Datasets
import Foundation
import ImageCodecs
import ImageFiles
import ImageShards
import ImageSources
import Tensors
import Testing
import TestSupport

@Suite("Some of the classes")
struct ChosenClassesTests {
    private let directory: TemporaryDirectory

    /// Five classes, as a folder, in tars and in a pack.
    init() throws {
        directory = try TemporaryDirectory()
        var tars = [TarBytes(), TarBytes()]
        for number in 0..<20 {
            let name = "n\(number % 5)/\(number).png"
            let image = samplePNG(ImageSize(height: 3, width: 4), salt: number)
            try directory.write("folder/\(name)", image)
            tars[number / 10].add(name, image)
        }
        for (number, tar) in tars.enumerated() { try directory.write("tars/\(number).tar", tar.finished) }
        let folder = try open("folder")
        var writer = try PackWriter(path: directory.file("pack"), shardBytes: 300)
        let buffer = ImageBuffer()
        for index in 0..<folder.count {
            try folder.encoded(at: index, into: buffer).withElements { try writer.append($0) }
        }
        _ = try writer.finish(as: folder.index)
    }

    private func open(_ name: String, _ classes: Set<String>? = nil) throws -> EncodedImages {
        let source = try ImageDataset.open(path: directory.file(name), split: .train, classes: classes)
        return try #require(source as? EncodedImages)
    }

    @Test("are the same images of a folder, of tars and of a pack, with labels of their own")
    func same() throws {
        let expected = try open("folder", ["n3", "n1"])
        #expect(expected.count == 8 && expected.classCount == 2)
        #expect((0..<8).map { expected.label(at: $0) } == [0, 0, 0, 0, 1, 1, 1, 1])
        for name in ["tars", "pack"] {
            let images = try open(name, ["n3", "n1"])
            #expect(images.identity == expected.identity && images.classCount == 2)
            for index in 0..<8 {
                #expect(images.label(at: index) == expected.label(at: index))
                #expect(try pixels(images, index) == pixels(expected, index))
            }
            #expect(try open(name, ["n0", "n1", "n2", "n3", "n4"]).identity == open("folder").identity)
        }
    }

    @Test("are also those that a host's own disk has")
    func staged() throws {
        let images = try open("tars", ["n4"])
        let staging = try #require(Staging(of: images, in: directory.file("disk")))
        _ = try staging.copy()
        let staged = try staging.opened()
        #expect(staged.identity == images.identity && staged.count == 4)
        for index in 0..<4 { #expect(try pixels(staged, index) == pixels(images, index)) }
    }

    @Test("have to be there", arguments: ["folder", "tars", "pack"])
    func missing(name: String) throws {
        let error = thrownError(ImageDataError.self) { try open(name, ["n1", "n7", "n6"]) }
        #expect(error?.description.contains("2 of the classes asked for are not there, the first of them n6") == true)
    }

    @Test("need names")
    func unnamed() throws {
        var tar = TarBytes()
        tar.add("a.png", samplePNG(ImageSize(height: 2, width: 2)))
        tar.add("a.cls", Array("0".utf8))
        try directory.write("x/x.tar", tar.finished)
        try directory.write("flat/a.png", samplePNG(ImageSize(height: 2, width: 2)))
        for path in [directory.file("x"), directory.file("flat"), "synthetic"] {
            let error = thrownError(ImageDataError.self) {
                try ImageDataset.open(path: path, split: .train, classes: ["n1"])
            }
            guard case .noClassNames = error else {
                Issue.record("\(path): \(String(describing: error))")
                continue
            }
        }
    }
}
