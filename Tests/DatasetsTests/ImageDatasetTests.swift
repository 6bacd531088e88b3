import Foundation
import ImageCodecs
import ImageSources
import Tensors
import Testing
import TestSupport

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
        try directory.write("train-images-idx3-ubyte", SampleIDX.images)
        let source = try ImageDataset.open(path: directory.path, split: .train)
        #expect(source.count == 3 && source.classCount == nil)
        try directory.write("train-labels-idx1-ubyte", SampleIDX.labels)
        let labelled = try ImageDataset.open(path: directory.path, split: .train)
        #expect(labelled.classCount == 5 && labelled.identity != source.identity)
    }

    @Test("a missing part of a known data set is named")
    func missingPart() throws {
        let directory = try TemporaryDirectory()
        try directory.write("data_batch_1.bin", [1] + patternBytes(3072))
        #expect(message(directory.path).contains("looks like cifar-10, but data_batch_2.bin is missing"))
        let other = try TemporaryDirectory()
        try other.write("train-labels-idx1-ubyte", SampleIDX.labels)
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
        #expect(message(file).contains("file: is a file, not a directory; give a directory"))
        #expect(message(file + "/below").contains("no such directory"))
        let archive = try directory.write("cifar-10-binary.tar.gz", [1])
        #expect(message(archive).contains("is a file, not a directory; unpack it"))
    }

    @Test("why the system does not say what is there is said")
    func systemErrors() throws {
        let directory = try TemporaryDirectory()
        let loop = directory.path + "/loop"
        try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: loop)
        #expect(message(loop).hasPrefix("\(loop): cannot be read: too many levels of symbolic links"))
        let long = directory.path + "/" + String(repeating: "a", count: 300)
        #expect(message(long).hasPrefix("\(long): cannot be read: file name too long"))
        // A link of the right name that goes round is not an absent file.
        let data = try TemporaryDirectory()
        try FileManager.default.createSymbolicLink(
            atPath: data.path + "/train-images-idx3-ubyte", withDestinationPath: "train-images-idx3-ubyte")
        #expect(message(data.path).contains("train-images-idx3-ubyte: cannot be read: too many levels"))
    }

    @Test("torchvision's directories are found", arguments: ["raw", "MNIST/raw", "FashionMNIST/raw"])
    func torchvision(folder: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write("\(folder)/train-images-idx3-ubyte", SampleIDX.images)
        try directory.write("\(folder)/train-labels-idx1-ubyte.gz", gzipBytes(SampleIDX.labels))
        let source = try ImageDataset.open(path: directory.path, split: .train)
        #expect(source.count == 3 && source.classCount == 5 && source.name != "raw")
        guard folder == "MNIST/raw" else { return }
        try directory.write("FashionMNIST/raw/train-images-idx3-ubyte", SampleIDX.images)
        #expect(message(directory.path).contains("holds several data sets: give one of"))
    }

    @Test(
        "what is known and not read is named",
        arguments: [
            (["data_batch_1", "batches.meta"], "cifar-10 as Python's pickled batches"),
            (["cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/batches.meta"], "cifar-10-binary.tar.gz"),
            (["cifar-100-python/train", "cifar-100-python/meta"], "cifar-100 as Python's pickled batches"),
            (["train/cat/1.webp", "val/cat/2.webp"], "image files such as train/cat/1.webp"),
            (["1.tif", "2.tif"], "1.tif"),
        ])
    func unsupported(files: [String], mentions: String) throws {
        let directory = try TemporaryDirectory()
        for file in files { try directory.write(file, [1]) }
        let text = message(directory.path)
        #expect(text.contains("not read yet") && text.contains(mentions), "\(text)")
    }

    @Test("compressed CIFAR files are found")
    func compressedCIFAR() throws {
        let directory = try TemporaryDirectory()
        try directory.write("cifar-100-binary/test.bin.gz", gzipBytes([1, 55] + patternBytes(3072)))
        #expect(try ImageDataset.open(path: directory.path, split: .test).label(at: 0) == 55)
    }

    @Test("the remedy for the default directory is the package that fills it")
    func defaultDirectory() {
        let error = ImageDataError.missingDirectory(path: ImageDataset.defaultPath)
        #expect(error.description.hasSuffix("run `apt-get install dataset-fashion-mnist`"))
    }

    static let packageMissing: Comment = "needs the Debian package dataset-fashion-mnist"

    @Test(
        "Fashion-MNIST has its published images and labels",
        .enabled(if: FileManager.default.fileExists(atPath: ImageDataset.defaultPath), packageMissing))
    func fashionMNIST() throws {
        let train = try ImageDataset.open(path: ImageDataset.defaultPath, split: .train)
        #expect(train.count == 60_000 && train.classCount == 10 && train.name == "fashion-mnist")
        #expect(train.uniformSize == ImageSize(height: 28, width: 28))
        let test = try ImageDataset.open(path: ImageDataset.defaultPath, split: .test)
        #expect(test.count == 10_000 && test.identity != train.identity)
        // The first labels of the test files: ankle boot, pullover, trouser.
        #expect((0..<3).map(test.label) == [9, 2, 1])
    }
}
