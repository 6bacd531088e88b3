import Foundation
import ImageData
import Tensors
import Testing

@Suite("Data set detection")
struct ImageDatasetTests {
    private func message(_ path: String, _ split: ImageDataset.Split = .train) -> String {
        do {
            _ = try ImageDataset.open(path: path, split: split)
        } catch {
            #expect(!error.description.contains("\n"))
            return error.description
        }
        Issue.record("\(path) was accepted")
        return ""
    }

    @Test("IDX files are found under each of their names", arguments: ["-", "."], ["", ".gz"])
    func idxNames(separator: String, suffix: String) throws {
        let directory = try TemporaryDirectory()
        for (stem, count) in [("train", UInt32(3)), ("t10k", 2)] {
            let images = idxBytes([0x803, count, 2, 4], patternBytes(8 * Int(count)))
            let labels = idxBytes([0x801, count], (0..<UInt8(count)).map { $0 })
            try directory.write(
                "\(stem)-images\(separator)idx3-ubyte\(suffix)", suffix == "" ? images : gzipBytes(images))
            try directory.write(
                "\(stem)-labels\(separator)idx1-ubyte\(suffix)", suffix == "" ? labels : gzipBytes(labels))
        }
        #expect(try ImageDataset.open(path: directory.path, split: .train).count == 3)
        #expect(try ImageDataset.open(path: directory.path + "/", split: .test).count == 2)
    }

    @Test("CIFAR files are found in the directory or one further down", arguments: ["", "cifar-10-batches-bin/"])
    func cifar10(folder: String) throws {
        let directory = try TemporaryDirectory()
        for batch in 1...5 {
            try directory.write(folder + "data_batch_\(batch).bin", [UInt8(batch)] + patternBytes(3072))
        }
        let source = try ImageDataset.open(path: directory.path, split: .train)
        #expect(source.name == "cifar-10" && (0..<5).map(source.label) == [1, 2, 3, 4, 5])
        #expect(message(directory.path, .test).contains("no test images found; looked for"))
    }

    @Test("CIFAR-100 is found in the directory or one further down", arguments: ["", "cifar-100-binary/"])
    func cifar100(folder: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write(folder + "test.bin", [1, 55] + patternBytes(3072))
        let source = try ImageDataset.open(path: directory.path, split: .test)
        #expect(source.name == "cifar-100" && source.label(at: 0) == 55)
    }

    @Test("images without a file of labels have none")
    func noLabels() throws {
        let directory = try TemporaryDirectory()
        try directory.write("train-images-idx3-ubyte", IDXFileTests.images)
        let source = try ImageDataset.open(path: directory.path, split: .train)
        #expect(source.count == 3 && source.classCount == nil)
        let division = try BatchDivision(imageCount: 3, globalBatch: 2, rank: 0, worldSize: 1, accumulation: 1)
        let loader = try BatchLoader(
            source: source,
            transform: ImageTransform(
                size: ImageSize(height: 2, width: 4),
                statistics: ChannelStatistics(mean: [0.5], standardDeviation: [0.25]),
                augmentation: ImageAugmentation()), division: division, seed: 1, prefetch: 0, plan: MemoryPlan())
        #expect(try loader.next().labels == nil)
        try directory.write("train-labels-idx1-ubyte", IDXFileTests.labels)
        let labelled = try ImageDataset.open(path: directory.path, split: .train)
        #expect(labelled.classCount == 5 && labelled.fingerprint != source.fingerprint)
    }

    @Test("a missing part of a known data set is named")
    func missingPart() throws {
        let directory = try TemporaryDirectory()
        try directory.write("data_batch_1.bin", [1] + patternBytes(3072))
        #expect(message(directory.path).contains("looks like cifar-10, but data_batch_2.bin is missing"))
        let other = try TemporaryDirectory()
        try other.write("train-labels-idx1-ubyte", IDXFileTests.labels)
        #expect(message(other.path).contains("train-images-idx3-ubyte.gz is missing"))
    }

    @Test("an empty directory, a missing one and a plain file are told apart")
    func nothingThere() throws {
        let directory = try TemporaryDirectory()
        let empty = message(directory.path)
        for name in ["train-images-idx3-ubyte", "data_batch_1.bin", "train.bin", "synthetic"] {
            #expect(empty.contains(name))
        }
        #expect(message("/nonexistent/images").hasPrefix("/nonexistent/images: no such directory; give a directory"))
        let file = try directory.write("file", [1])
        #expect(message(file).contains("no such directory"))
    }

    @Test("the remedy for the default directory is the package that fills it")
    func defaultDirectory() {
        let error = ImageDataError.missingDirectory(path: ImageDataset.defaultPath)
        #expect(error.description.hasSuffix("run `apt-get install dataset-fashion-mnist`"))
    }

    static let packageMissing: Comment = "needs the Debian package dataset-fashion-mnist"

    @Test(
        "Fashion-MNIST has its published mean and deviation",
        .enabled(if: FileManager.default.fileExists(atPath: ImageDataset.defaultPath), packageMissing))
    func fashionMNIST() throws {
        let train = try ImageDataset.open(path: ImageDataset.defaultPath, split: .train)
        #expect(train.count == 60_000 && train.classCount == 10 && train.name == "fashion-mnist")
        #expect(train.size(at: 0) == ImageSize(height: 28, width: 28))
        let statistics = try ChannelStatistics(of: train)
        // The published numbers have four digits.
        #expect(abs(statistics.mean[0] - 0.2860) < 0.000_05 && abs(statistics.standardDeviation[0] - 0.3530) < 0.000_05)
        let test = try ImageDataset.open(path: ImageDataset.defaultPath, split: .test)
        #expect(test.count == 10_000 && test.fingerprint != train.fingerprint)
        // The first labels of the test files: ankle boot, pullover, trouser.
        #expect((0..<3).map(test.label) == [9, 2, 1])
    }

    @Test("statistics are those of each channel")
    func statistics() throws {
        let directory = try TemporaryDirectory()
        let plane: (UInt8, UInt8) -> [UInt8] = { low, high in (0..<1024).map { $0.isMultiple(of: 4) ? high : low } }
        let path = try directory.write("test.bin", [0, 0] + plane(0, 255) + plane(51, 51) + plane(10, 30))
        let statistics = try ChannelStatistics(of: CIFARFile.open(.cifar100, paths: [path]))
        // A quarter is high: mean low + (high - low) / 4, deviation (high - low)·√3/4. Rounding of one Float: 1e-6.
        let mean: [Float] = [0.25, 0.2, 15.0 / 255]
        let deviation: [Float] = [0.433_012_7, 1, 20 * 0.433_012_7 / 255]
        for channel in 0..<3 {
            #expect(abs(statistics.mean[channel] - mean[channel]) < 1e-6)
            #expect(abs(statistics.standardDeviation[channel] - deviation[channel]) < 1e-6)
        }
    }
}
