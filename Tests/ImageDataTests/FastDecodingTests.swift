import Augmentation
import ImageFiles
import ImageSources
import Foundation
import ImageCodecs
import ImageData
import Tensors
import TestSupport
import Testing

@Suite("Batches of images that are decoded fast")
struct FastDecodingTests {
    private let directory: TemporaryDirectory
    private let exact: EncodedImages
    private let fast: EncodedImages

    /// Photographs of 131 × 99 pixels, in each form of JPEG that stores colours differently.
    init() throws {
        directory = try TemporaryDirectory()
        for (name, bytes) in try imageFixtures([".jpg"]) where name.hasPrefix("large") {
            try directory.write(name, bytes)
        }
        exact = try #require(try ImageDataset.open(path: directory.path, split: .train, kind: .flat) as? EncodedImages)
        var decoding = Decoding()
        decoding.fidelity = .fast
        fast = exact.decoded(decoding)
    }

    /// In steps of a byte.
    private func transform(_ side: Int) -> ImageTransform {
        let statistics = ChannelStatistics(
            mean: [0, 0, 0], standardDeviation: [Float](repeating: 1 / 255, count: 3))
        return ImageTransform(
            size: ImageSize(height: side, width: side), statistics: statistics,
            augmentation: .crop(RandomResizedCrop()))
    }

    private func differences(_ side: Int) throws -> [Float] {
        let transform = transform(side)
        let workspace = AugmentationWorkspace()
        let rows = (0..<2).map { _ in Matrix(rows: 1, columns: transform.elementCount) }
        var differences: [Float] = []
        for epoch in 0..<20 {
            for index in 0..<exact.count {
                for (source, row) in zip([exact, fast], rows) {
                    try transform.prepare(
                        source, index: index, seed: 1, epoch: epoch, workspace: workspace, into: row)
                }
                differences += zip(rows[0].array, rows[1].array).map { abs($0 - $1) }
            }
        }
        return differences
    }

    @Test(
        "differ from exact ones by less than 1% of the range in the mean, and less than a quarter at any edge",
        arguments: [32, 20, 10])
    func close(side: Int) throws {
        #expect(exact.count == 5)
        let differences = try differences(side)
        let mean = differences.reduce(0, +) / Float(differences.count)
        #expect(mean > 0.01 && mean < 2.55, "mean \(mean)")
        #expect(differences.max() ?? 255 < 64, "greatest \(differences.max() ?? 255)")
    }

    @Test("are exact where no crop is twice as large as what it is resized to")
    func equal() throws {
        #expect(try differences(66).allSatisfy { $0 == 0 })
    }

    @Test("are the same at any number of threads")
    func threads() throws {
        func batches(_ workers: Int) throws -> [[Float]] {
            let loader = try BatchLoader(
                source: fast, transform: transform(24),
                division: EpochDivision(imageCount: fast.count, BatchPlan(images: 5)), seed: 3, workers: workers,
                plan: MemoryPlan())
            return try (0..<6).map { _ in try loader.next().images.array }
        }
        let expected = try batches(0)
        for workers in [1, 2, 5] { #expect(try batches(workers) == expected) }
    }
}
