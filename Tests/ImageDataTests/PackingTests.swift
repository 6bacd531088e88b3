import Augmentation
import Foundation
import ImageCodecs
import ImageData
import ImageFiles
import ImageShards
import ImageSources
import Tensors
import Testing
import TestSupport

@Suite("Packing of a data set")
struct PackingTests {
    private let directory: TemporaryDirectory
    private let folder: EncodedImages

    init() throws {
        directory = try TemporaryDirectory()
        for (number, (width, height)) in [(40, 30), (30, 41), (16, 60), (15, 20), (50, 16)].enumerated() {
            try directory.write(
                "folder/\(number).png",
                pngBytes(width: width, height: height, patternBytes(3 * width * height, salt: number)))
        }
        let root = directory.file("folder")
        folder = try EncodedImages(name: "folder", root: root, index: try FolderListing(root, hasClasses: false).index)
    }

    private func pack(_ name: String, _ recipe: PackRecipe, threads: Int = 1) throws -> (EncodedImages, Packing.Outcome)
    {
        let outcome = try Packing(folder, recipe).write(
            to: directory.file(name), shardBytes: 4000, on: try Team(threads: threads)
        ) { _ in }
        return (try Pack.open(path: directory.file(name)), outcome)
    }

    @Test("scaled images are those of the resampler, and smaller ones stay")
    func scaled() throws {
        let (pack, _) = try pack("pack", PackRecipe(shorterSide: 16, encoding: .png))
        #expect(pack.identity == folder.identity)
        let (source, packed, resampler) = (ImageBuffer(), ImageBuffer(), BicubicResampler())
        let sizes = [(16, 21), (21, 16), (60, 16), (20, 15), (16, 50)]
        for index in 0..<folder.count {
            let size = ImageSize(height: sizes[index].0, width: sizes[index].1)
            let expected = resampler.resample(try folder.decode(at: index, into: source), to: size).planes
            let found = try pack.decode(at: index, into: packed)
            #expect(found.size == size && found.planes == expected)
        }
    }

    @Test("any number of threads writes the same bytes", arguments: [2, 3])
    func threads(count: Int) throws {
        let recipe = PackRecipe(shorterSide: 16, encoding: .jpeg(quality: 95))
        let (one, _) = try pack("one", recipe)
        let (several, _) = try pack("several", recipe, threads: count)
        #expect(one.index == several.index && one.index.checksums == several.index.checksums)
    }

    @Test("what cannot be decoded is packed as it is")
    func undecodable() throws {
        try directory.write("folder/2.png", [1, 2, 3])
        let (pack, outcome) = try pack("pack", PackRecipe(shorterSide: 16, encoding: .png))
        #expect(outcome.refused.count == 1)
        #expect(outcome.refused.first == .badImage(path: directory.file("folder/2.png"), reason: .unknownFormat))
        let buffer = ImageBuffer()
        let bytes = try pack.encoded(at: 2, into: buffer).withElements { span in span.indices.map { span[$0] } }
        #expect(bytes == [1, 2, 3])
    }

    @Test("an image that went away leaves no pack")
    func missingImage() throws {
        try FileManager.default.removeItem(atPath: directory.file("folder/2.png"))
        #expect(throws: (any Error).self) { try pack("pack", PackRecipe(shorterSide: nil, encoding: .png)) }
        #expect(try directory.names == ["folder"])
    }
}
