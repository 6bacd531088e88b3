import Foundation
import Host
import ImageArrays
import ImageCodecs
import ImageSources
import Tensors
import Testing
import TestSupport

@Suite("Images in arrays are copied once, or mapped")
struct ArrayImagesTests {
    /// Lines of /proc/self/maps that name a file.
    private func mappings(of path: String) throws -> [String] {
        try systemFile("/proc/self/maps").split(separator: "\n").map(String.init).filter { $0.hasSuffix(" \(path)") }
    }

    @Test("plain files without anybody to share with are read where they are: nothing of them is held but labels")
    func mapped() throws {
        let directory = try TemporaryDirectory()
        let idx = try IDXFile.open(
            name: "test", images: directory.write("images", SampleIDX.images),
            labels: directory.write("labels", SampleIDX.labels))
        #expect(idx.heldBytes == 3 * 4)
        let record = [UInt8(3)] + patternBytes(3072)
        let paths = try ["a.bin", "b.bin"].map { try directory.write($0, record + record) }
        let cifar = try CIFARFile.open(.cifar10, paths: paths)
        #expect(cifar.heldBytes == 4 * 4)
        try withExtendedLifetime((idx, cifar)) {
            for path in paths + [directory.file("images")] {
                let mappings = try mappings(of: path)
                #expect(mappings.count == 1 && mappings[0].contains(" r--s "), "\(mappings)")
            }
        }
    }

    @Test("plain files are copied once for all who share memory, and what becomes of them then changes nothing")
    func copiedOnce() throws {
        let directory = try TemporaryDirectory()
        let images = try directory.write("images", SampleIDX.images)
        let share = try #require(HostShare())
        let first = try IDXFile.open(name: "test", images: images, labels: nil, sharing: share)
        let second = try IDXFile.open(
            name: "test", images: images, labels: nil, sharing: HostShare(share.address))
        #expect([first, second].map(\.heldBytes) == [24, 0])
        #expect(try mappings(of: images).isEmpty)
        #expect(unsafe truncate(images, 20) == 0)
        for source in [first, second] {
            for index in 0..<3 {
                #expect(try pixels(source, index) == Array(patternBytes(24)[8 * index..<8 * index + 8]))
            }
        }
    }

    @Test("plain files that would take more than a part of the memory are mapped, by all who share memory")
    func tooLargeToCopy() throws {
        let directory = try TemporaryDirectory()
        // 2^40 bytes, of which the disk has none but the header.
        let images = try directory.write("images", idxBytes([0x803, 1 << 30, 1 << 5, 1 << 5], []))
        #expect(unsafe truncate(images, off_t(16 + (1 << 40))) == 0)
        let share = try #require(HostShare())
        for share in [share, try #require(HostShare(share.address))] {
            let source = try IDXFile.open(name: "test", images: images, labels: nil, sharing: share)
            #expect(source.heldBytes == 0)
            #expect(try withExtendedLifetime(source) { try mappings(of: images).count } == 1)
        }
    }

    @Test("compressed files are inflated once for all who share memory, and for oneself without")
    func inflatedOnce() throws {
        let directory = try TemporaryDirectory()
        let images = try directory.write("images.gz", gzipBytes(SampleIDX.images))
        let share = try #require(HostShare())
        let other = try #require(HostShare(share.address))
        let sources = try [share, other, nil].map {
            try IDXFile.open(name: "test", images: images, labels: nil, sharing: $0)
        }
        #expect(sources.map(\.heldBytes) == [24, 0, 24])
        for source in sources {
            #expect(source.identity == sources[0].identity)
            for index in 0..<3 {
                #expect(try pixels(source, index) == Array(patternBytes(24)[8 * index..<8 * index + 8]))
            }
        }
    }

    @Test("a damaged compressed file is refused by all who share memory")
    func damaged() throws {
        let directory = try TemporaryDirectory()
        let images = try directory.write("images.gz", Array(gzipBytes(SampleIDX.images).dropLast(3)))
        let share = try #require(HostShare())
        for share in [share, try #require(HostShare(share.address))] {
            let error: ImageDataError? = thrownError {
                try IDXFile.open(name: "test", images: images, labels: nil, sharing: share)
            }
            #expect(error?.description.hasPrefix(images) == true)
        }
    }

    @Test("a compressed file that would not fit into memory is refused before memory is asked for")
    func tooLarge() throws {
        let directory = try TemporaryDirectory()
        // A header of 2^50 bytes: the file is as long as one that could hold them, and has no more than a few blocks.
        let path = try directory.write("images.gz", gzipBytes(idxBytes([0x803, 1 << 20, 1 << 15, 1 << 15], [])))
        #expect(unsafe truncate(path, off_t(1 << 41)) == 0)
        let share = try #require(HostShare())
        for share in [share, nil] {
            let error: ImageDataError? = thrownError {
                try IDXFile.open(name: "test", images: path, labels: nil, sharing: share)
            }
            #expect(error?.description.contains("images.gz: takes 1073741824 MiB of memory inflated") == true)
        }
    }

    @Test("identities are those of the same images in memory, which checkpoints of earlier versions have")
    func identities() throws {
        let directory = try TemporaryDirectory()
        let count = 130
        let labels = (0..<count).map { Int32($0 * 7 % 10) }
        let planes = (0..<count).map { patternBytes(3072, salt: $0) }
        let file = try directory.write("test.bin", zip(labels, planes).flatMap { [UInt8($0)] + $1 })
        let mapped = try CIFARFile.open(.cifar10, paths: [file])
        let held = InMemoryImages(
            name: "test", pixels: MatrixView(rows: count, columns: 3072, values: planes.flatMap { $0 }),
            labels: labels, channels: 3, size: ImageSize(height: 32, width: 32), classCount: 10)
        #expect(mapped.identity == held.identity)
        #expect(mapped.earlierFingerprint == held.earlierFingerprint)
    }
}
