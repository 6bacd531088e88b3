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
        return (try #require(try Pack.open(path: directory.file(name))), outcome)
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

    @Test("pixels that are not encoded are those of PNG, in whole and in parts, and are files that others read")
    func raw() throws {
        let (raw, _) = try pack("raw", PackRecipe(shorterSide: 16, encoding: .raw))
        let (png, _) = try pack("png", PackRecipe(shorterSide: 16, encoding: .png))
        let (own, other) = (ImageBuffer(), ImageBuffer())
        for index in 0..<folder.count {
            let size = try png.decode(at: index, into: other).size
            for box in [
                size.whole, CropBox(top: 3, left: 2, height: 5, width: 7),
                CropBox(top: size.height - 1, left: size.width - 1, height: 1, width: 1),
            ] {
                let expected = try png.decode(at: index, part: { _ in box }, into: other)
                let found = try raw.decode(at: index, part: { _ in box }, into: own)
                #expect(found.size == box.size && found.planes == expected.planes)
            }
            let header = Array("P6\n\(size.width) \(size.height)\n255\n".utf8)
            let bytes = try raw.encoded(at: index, into: own).withElements { span in span.indices.map { span[$0] } }
            #expect(bytes.starts(with: header) && bytes.count == header.count + 3 * size.pixels)
        }
        // Also what is not scaled.
        let (whole, _) = try pack("whole", PackRecipe(shorterSide: nil, encoding: .raw))
        #expect(try whole.decode(at: 0, into: own).planes == folder.decode(at: 0, into: other).planes)
    }

    @Test("the orientation that EXIF notes is applied where images are scaled, and stays in the bytes of others")
    func orientation() throws {
        let exif: [UInt8] = Array("MM\0*".utf8) + [0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]
        let chunk: [UInt8] = [0, 0, 0, UInt8(exif.count)] + Array("eXIf".utf8) + exif + [0, 0, 0, 0]
        for number in [0, 3] {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: directory.file("folder/\(number).png")))
            // Behind the header's chunk.
            try directory.write("folder/\(number).png", [UInt8](bytes[..<33]) + chunk + [UInt8](bytes[33...]))
        }
        var decoding = Decoding()
        decoding.exif = .apply
        let turned = folder.decoded(decoding)
        #expect(try turned.decode(at: 0, into: ImageBuffer()).size == ImageSize(height: 40, width: 30))
        let recipe = PackRecipe(shorterSide: 16, encoding: .png)
        _ = try Packing(turned, recipe).write(to: directory.file("pack"), shardBytes: 4000, on: Team(threads: 1)) { _ in
        }
        let pack = try #require(try Pack.open(path: directory.file("pack")))
        let (source, packed, resampler) = (ImageBuffer(), ImageBuffer(), BicubicResampler())
        let size = ImageSize(height: 21, width: 16)
        let expected = resampler.resample(try turned.decode(at: 0, into: source), to: size).planes
        // Nothing is left to be applied a second time.
        for images in [pack, pack.decoded(decoding)] {
            let found = try images.decode(at: 0, into: packed)
            #expect(found.size == size && found.planes == expected)
        }
        #expect(try pack.decode(at: 3, into: packed).size == ImageSize(height: 20, width: 15))
        #expect(try pack.decoded(decoding).decode(at: 3, into: packed).size == ImageSize(height: 15, width: 20))
        // And where nothing is scaled, all bytes stay.
        _ = try Packing(turned, PackRecipe(shorterSide: nil, encoding: .png)).write(
            to: directory.file("bytes"), shardBytes: 4000, on: Team(threads: 1)
        ) { _ in }
        let bytes = try #require(try Pack.open(path: directory.file("bytes")))
        for index in 0..<folder.count {
            let found = try bytes.encoded(at: index, into: packed).withElements { span in span.indices.map { span[$0] }
            }
            #expect(try Data(found) == Data(contentsOf: URL(fileURLWithPath: folder.path(of: index))))
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
