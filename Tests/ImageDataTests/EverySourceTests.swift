import Augmentation
import Datasets
import Foundation
import ImageCodecs
import ImageData
import ImageFiles
import ImageShards
import ImageSources
import Tensors
import Testing
import TestSupport

@Suite("Batches are the same for any division of the work, whatever the images are kept in", .timeLimit(.minutes(30)))
struct EverySourceTests {
    enum Form: String, CaseIterable, Sendable {
        case folder, flat, tars, pack, scaledPack, rawPack, staged, cifar, idx, npy, floats

        /// Forms of the same images.
        var isOfFolder: Bool { [.folder, .tars, .pack, .rawPack, .staged].contains(self) }
    }

    /// What batches hold.
    private struct Content: Equatable {
        var images: [Float] = []
        var labels: [Int32] = []
        var samples: [Int] = []

        mutating func add(_ batch: Batch) {
            images += batch.images.array
            labels += batch.labels?.array ?? []
            samples += batch.samples.array
        }
    }

    private let directory: TemporaryDirectory
    private static let count = 40
    private static let batch = 8

    init() throws {
        directory = try TemporaryDirectory()
        var tars = [TarBytes(), TarBytes(.pax), TarBytes(.gnu)]
        for number in 0..<Self.count {
            let size = ImageSize(height: 20 + number % 3, width: 18 + number % 5)
            let image = samplePNG(size, salt: number)
            let name = "class-\(number % 3)/\(number * 7 % Self.count).png"
            try directory.write("folder/\(name)", image)
            try directory.write("flat/\(number).png", image)
            tars[number % 3].add("set/\(name)", image)
        }
        for (number, tar) in tars.enumerated() { try directory.write("tars/x-\(number).tar", tar.finished) }
        for file in 1...5 {
            let records = (0..<8).flatMap { [UInt8($0 + file) % 10] + patternBytes(3072, salt: 8 * file + $0) }
            try directory.write("cifar/data_batch_\(file).bin", records)
        }
        let pixels = patternBytes(Self.count * 2 * 15 * 15)
        let header: [UInt8] = [0, 0, 8, 4, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 15, 0, 0, 0, 15]
        try directory.write("idx/train-images-idx3-ubyte", header + pixels)
        try directory.write("npy/images.npy", Self.npy("|u1", "40, 2, 15, 15", pixels))
        try directory.write("npy/labels.npy", Self.npy("|u1", "40,", (0..<40).map { UInt8($0 % 6) }))
        let floats = pixels.flatMap { byte in
            let bits = (Float(byte) * 3 - 7).bitPattern
            return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
        }
        try directory.write("floats/images.npy", Self.npy("<f4", "40, 15, 15, 2", floats))
    }

    private static func npy(_ type: String, _ shape: String, _ elements: [UInt8]) -> [UInt8] {
        let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(shape)), }\n"
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + elements
    }

    private func open(_ form: Form) throws -> any ImageSource {
        func at(_ name: String) throws -> any ImageSource {
            try ImageDataset.open(path: directory.file(name), split: .train)
        }
        func packed(_ side: Int?, _ encoding: ImageEncoding) throws -> any ImageSource {
            let folder = try #require(try at("folder") as? EncodedImages)
            let recipe = PackRecipe(shorterSide: side, encoding: encoding)
            _ = try Packing(folder, recipe).write(
                to: directory.file("pack"), shardBytes: 5_000, on: try Team(threads: 1)
            ) { _ in }
            return try at("pack")
        }
        switch form {
        case .pack: return try packed(nil, .png)
        case .scaledPack: return try packed(14, .jpeg(quality: 95))
        case .rawPack: return try packed(nil, .raw)
        case .staged:
            let tars = try #require(try at("tars") as? EncodedImages)
            let staging = try #require(Staging(of: tars, in: directory.file("disk")))
            _ = try staging.copy()
            return try staging.opened()
        case .folder, .flat, .tars, .cifar, .idx, .npy, .floats: return try at(form.rawValue)
        }
    }

    private func loader(
        _ source: any ImageSource, rank: Int = 0, ranks: Int = 1, workers: Int = 0, epoch: Int = 0, step: Int = 0
    ) throws -> BatchLoader {
        let transform = ImageTransform(
            size: ImageSize(height: 12, width: 12),
            statistics: ChannelStatistics(
                mean: [Float](repeating: 0.5, count: source.channels),
                standardDeviation: [Float](repeating: 0.25, count: source.channels)),
            augmentation: .crop(RandomResizedCrop()))
        let division = try EpochDivision(
            imageCount: source.count, BatchPlan(globalBatch: Self.batch, ranks: ranks), rank: rank)
        return try BatchLoader(
            source: source, transform: transform, division: division, seed: 5, epoch: epoch, step: step,
            workers: workers, plan: MemoryPlan())
    }

    /// Global batches from a step on; of several ranks, whose parts follow one another.
    private func batches(
        _ source: any ImageSource, _ count: Int, ranks: Int, workers: Int, epoch: Int = 0, step: Int = 0
    ) throws -> [Content] {
        let loaders = try (0..<ranks).map {
            try loader(source, rank: $0, ranks: ranks, workers: workers, epoch: epoch, step: step)
        }
        return try (0..<count).map { _ in
            var content = Content()
            for loader in loaders { content.add(try loader.next()) }
            return content
        }
    }

    @Test("over ranks, over threads, and in runs that go on within an epoch", arguments: Form.allCases)
    func sameBatches(form: Form) throws {
        let source = try open(form)
        #expect(source.count == Self.count)
        // Two epochs.
        let expected = try batches(source, 10, ranks: 1, workers: 0)
        for epoch in 0..<2 {
            #expect(expected[5 * epoch..<5 * epoch + 5].flatMap(\.samples).sorted() == Array(0..<Self.count))
        }
        for ranks in [1, 2, 4, 8] {
            for workers in [0, 1, 3] {
                #expect(try batches(source, 10, ranks: ranks, workers: workers) == expected, "\(ranks) × \(workers)")
                // The fourth step of the first epoch, and of the second.
                for epoch in 0..<2 {
                    let rest = try batches(
                        source, 7 - 5 * epoch, ranks: ranks, workers: workers, epoch: epoch, step: 3)
                    #expect(rest == Array(expected[(5 * epoch + 3)...]), "\(ranks) × \(workers) from \(epoch)")
                }
            }
        }
    }

    @Test("forms of one data set that lose nothing have the same batches")
    func sameForms() throws {
        let expected = try batches(open(.folder), 5, ranks: 1, workers: 2)
        for form in Form.allCases where form.isOfFolder && form != .folder {
            #expect(try batches(open(form), 5, ranks: 2, workers: 1) == expected, "\(form)")
            try? FileManager.default.removeItem(atPath: directory.file("pack"))
        }
        let arrays = try [Form.idx, .npy].map { try batches(open($0), 5, ranks: 1, workers: 1) }
        #expect(arrays[0].map(\.images) == arrays[1].map(\.images))
        #expect(arrays[0].allSatisfy { $0.labels.isEmpty } && arrays[1].allSatisfy { $0.labels.count == 8 })
    }
}
