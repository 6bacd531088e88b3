import ImageArrays
import ImageCodecs
import ImageSources
import Testing
import TestSupport

@Suite("CIFAR files")
struct CIFARFileTests {
    private func record(_ label: [UInt8], _ salt: Int) -> [UInt8] { label + patternBytes(3072, salt: salt) }

    @Test("records of several files follow one another")
    func cifar10() throws {
        let directory = try TemporaryDirectory()
        let paths = [
            try directory.write("a.bin", record([3], 1) + record([9], 2)), try directory.write("b.bin", record([0], 3)),
        ]
        let source = try CIFARFile.open(.cifar10, paths: paths)
        #expect(source.count == 3 && source.channels == 3 && source.classCount == 10)
        #expect(source.uniformSize == ImageSize(height: 32, width: 32))
        #expect((0..<3).map(source.label) == [3, 9, 0])
        for index in 0..<3 { #expect(try pixels(source, index) == patternBytes(3072, salt: index + 1)) }
    }

    @Test("CIFAR-100 labels are the fine ones")
    func cifar100() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("train.bin", record([7, 99], 1) + record([19, 0], 2))
        let source = try CIFARFile.open(.cifar100, paths: [path])
        #expect((0..<2).map(source.label) == [99, 0] && source.classCount == 100)
    }

    @Test("a length that is no positive multiple of a record is refused", arguments: [0, 1, 3072, 3074, 3073 * 2 - 1])
    func wrongLength(bytes: Int) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("data_batch_1.bin", [UInt8](repeating: 0, count: bytes))
        #expect(throws: ImageDataError.wrongRecordLength(path: path, bytes: bytes, recordBytes: 3073)) {
            try CIFARFile.open(.cifar10, paths: [path])
        }
    }

    @Test("compressed files are read as plain ones are")
    func compressed() throws {
        let directory = try TemporaryDirectory()
        let content = record([7, 99], 1) + record([19, 0], 2)
        let plain = try directory.write("train.bin", content)
        let compressed = try directory.write("train.bin.gz", gzipBytes(content))
        let source = try CIFARFile.open(.cifar100, paths: [compressed])
        #expect(try source.count == 2 && source.identity == CIFARFile.open(.cifar100, paths: [plain]).identity)
        for damaged in [gzipBytes(content) + [1], Array(gzipBytes(content).dropLast(9)), gzipBytes(content + [1])] {
            let path = try directory.write("damaged.gz", damaged)
            #expect(throws: ImageDataError.self) { try CIFARFile.open(.cifar100, paths: [path]) }
        }
    }

    @Test("a label outside the classes is refused and its record named")
    func badLabel() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("test_batch.bin", record([9], 1) + record([10], 2))
        #expect(throws: ImageDataError.labelOutOfRange(path: path, record: 1, label: 10, classCount: 10)) {
            try CIFARFile.open(.cifar10, paths: [path])
        }
        let fine = try directory.write("train.bin", record([0, 100], 1))
        #expect(throws: ImageDataError.labelOutOfRange(path: fine, record: 0, label: 100, classCount: 100)) {
            try CIFARFile.open(.cifar100, paths: [fine])
        }
    }
}
