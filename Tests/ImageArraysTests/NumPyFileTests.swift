import Foundation
import ImageArrays
import ImageCodecs
import ImageSources
import Testing
import TestSupport

@Suite("Files of numpy.save")
struct NumPyFileTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        var channels = 5
        /// What is taken from the numbers of scripts/fixtures/arrays.py, and by what they are divided, as images.
        var less = 0
        var scale: Float = 1
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "grey", channels: 1), Case(name: "bytes-planar"), Case(name: "bytes-interleaved"),
        Case(name: "rgb", channels: 3), Case(name: "uint16-planar", scale: 65_535),
        Case(name: "uint16-big-endian", scale: 65_535), Case(name: "int16", less: 100, scale: 65_535),
        Case(name: "float16", scale: 8), Case(name: "float32-big-endian", scale: 8),
        Case(name: "float32-interleaved", scale: 8), Case(name: "float64", scale: 8),
    ]

    private func fixture(_ name: String) throws -> [UInt8] {
        let url = try #require(Bundle.module.url(forResource: "Fixtures/arrays/\(name)", withExtension: "npy"))
        return [UInt8](try Data(contentsOf: url))
    }

    @Test("NumPy's own files have the pixels that were saved, whole and in part", arguments: cases)
    func pixels(_ wanted: Case) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("a.npy", fixture(wanted.name))
        let source = try ImageDataset.open(path: path, split: .train)
        #expect(source.count == 3 && source.channels == wanted.channels && source.classCount == nil)
        #expect(source.uniformSize == ImageSize(height: 6, width: 7) && source.isFloat == (wanted.scale != 1))
        let buffer = ImageBuffer()
        let boxes = [source.uniformSize?.whole, CropBox(top: 1, left: 2, height: 4, width: 3)].compactMap { $0 }
        for index in [2, 0, 1] {
            for box in boxes {
                let view = try source.decode(at: index, part: { _ in box }, into: buffer)
                #expect(view.size == box.size && view.channels == wanted.channels)
                for channel in 0..<wanted.channels {
                    for (row, column) in (0..<box.height * box.width).map({ ($0 / box.width, $0 % box.width) }) {
                        let (y, x) = (row + box.top, column + box.left)
                        let number = (1000 * index + 100 * channel + 10 * y + 3 * x) % 251 - wanted.less
                        let found = value(view, row: row, column: column, channel: channel)
                        #expect(found == Float(number) / wanted.scale, "\(index) \(channel) \(y) \(x)")
                    }
                }
            }
        }
    }

    @Test("the same bytes in another order of axes, and as IDX, are the same images")
    func forms() throws {
        let directory = try TemporaryDirectory()
        let planar = try directory.write("planar.npy", fixture("bytes-planar"))
        let interleaved = try directory.write("interleaved.npy", fixture("bytes-interleaved"))
        let idx = try directory.write(
            "idx", idxBytes([0x804, 3, 5, 6, 7], Array(fixture("bytes-planar").suffix(3 * 5 * 6 * 7))))
        let identities = [
            try ImageDataset.open(path: planar, split: .train).identity,
            try ImageDataset.open(path: interleaved, split: .test).identity,
            try IDXFile.open(name: "test", images: idx, labels: nil).identity,
        ]
        #expect(Set(identities).count == 1)
        let other = try directory.write("other.npy", fixture("uint16-planar"))
        #expect(try ImageDataset.open(path: other, split: .train).identity != identities[0])
    }

    @Test("labels lie beside the images, as integers of any size", arguments: ["labels-int64", "labels-big-endian"])
    func labels(name: String) throws {
        for (images, labels) in [("images", "labels"), ("x_train", "y_train"), ("train", "labels")] {
            let directory = try TemporaryDirectory()
            try directory.write("\(images).npy", fixture("rgb"))
            try directory.write("\(labels).npy", fixture(name))
            let source = try ImageDataset.open(path: directory.path, split: .train)
            #expect(source.classCount == 5 && (0..<3).map(source.label) == [4, 0, 2])
        }
    }

    @Test("the splits of a directory are told apart, and files that contradict each other refused")
    func directories() throws {
        let directory = try TemporaryDirectory()
        try directory.write("x_train.npy", fixture("grey"))
        try directory.write("x_test.npy", fixture("rgb"))
        #expect(try ImageDataset.open(path: directory.path, split: .train).channels == 1)
        #expect(try ImageDataset.open(path: directory.path, split: .test).channels == 3)
        try directory.write("labels.npy", fixture("labels-int64"))
        try directory.write("y_train.npy", fixture("labels-int64"))
        #expect(message(directory.path).contains("holds several files of labels"))
        try directory.write("images.npy", fixture("grey"))
        #expect(message(directory.path).contains("holds several data sets: give one of"))
    }

    private func message(_ path: String) -> String {
        do {
            _ = try ImageDataset.open(path: path, split: .train)
        } catch {
            #expect(!error.description.contains("\n"))
            return error.description
        }
        Issue.record("\(path) was accepted")
        return ""
    }

    static let refusedFiles: [(bytes: [UInt8], mentions: String)] = [
        ([], "is no .npy file"), (Array("not one of NumPy's".utf8), "is no .npy file"),
        (numPyBytes("'|O'", [3], [1, 2, 3]), "holds Python objects (pickles)"),
        (numPyBytes("[('a', '<f4')]", [3], [1, 2, 3]), "holds records of several fields"),
        (numPyBytes("'|u1'", [1, 2, 3], [UInt8](repeating: 0, count: 6), fortran: "True"), "is in Fortran order"),
        (numPyBytes("'<i4'", [1, 2, 3], [UInt8](repeating: 0, count: 24)), "holds int32; images are uint8, uint16"),
        (numPyBytes("'|b1'", [1, 2, 3], [UInt8](repeating: 0, count: 6)), "holds bool; images are"),
        (numPyBytes("'<c8'", [1, 2, 3], [UInt8](repeating: 0, count: 48)), "holds complex64; images are"),
        (numPyBytes("'<U7'", [1, 2, 3], [UInt8](repeating: 0, count: 6)), "holds the type '<U7'; images are"),
        (numPyBytes("'|u1'", [2, 3], [UInt8](repeating: 0, count: 6)), "has the shape [2, 3]; images are [N, height"),
        (numPyBytes("'|u1'", [], [1]), "has the shape []; images are"),
        (numPyBytes("'|u1'", [1, 2, 3], [1, 2, 3, 4, 5]), "ends after 78 of 79 bytes; the file is truncated"),
        (numPyBytes("'|u1'", [1, 2, 3], [1, 2, 3, 4, 5, 6, 7]), "goes on after the"),
        (numPyBytes("'|u1'", [0, 2, 3], []), "holds no images"),
        (numPyBytes("'|u1'", [2, 0, 3], []), "declares the shape [2, 0, 3], which no file can hold"),
        (numPyBytes("'<f4'", [1 << 40, 1 << 20, 1 << 20], []), "which no file can hold"),
        (numPyBytes("'<f4'", [1 << 20, 1 << 10, 1 << 10], []), "the file is truncated"),
        (numPyBytes("'|u1'", [1, 2, 3], [UInt8](repeating: 0, count: 6), version: 4), "of version 4"),
        (numPyBytes(header: "{'descr': '|u1', 'shape': (1, 2, 3)}", []), "its .npy header is incomplete"),
        (numPyBytes(header: "{'descr': '|u1', 'shape': (1, -2, 3)}", []), "has no shape that can be counted"),
        (numPyBytes(header: "{'shape': (99999999999999999999,)}", []), "has no shape that can be counted"),
        (numPyBytes(header: "{'descr': '|u1", []), "has a name without end"),
        (numPyBytes(header: "{'descr': '|u1', 'order': 'C'}", []), "has the entry 'order'"),
        (numPyBytes(header: "{'descr': '|u', 'fortran_order': False, 'shape': (1,)}", []), "names the type '|u'"),
        (numPyBytes(header: "__import__('os')", []), "its .npy header lacks a '{'"),
        ([0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF], "would have 4294967295 bytes"),
    ]

    @Test(
        "what is no array of images is refused in one line that names the file and what it is", arguments: refusedFiles)
    func refused(bytes: [UInt8], mentions: String) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("a.npy", bytes)
        let text = message(path)
        #expect(text.hasPrefix("\(path): ") && text.contains(mentions), "\(text)")
    }

    @Test("a file that ends too early is refused, at every length")
    func truncated() throws {
        let whole = try fixture("grey")
        let directory = try TemporaryDirectory()
        for length in 1..<whole.count {
            let text = message(try directory.write("a.npy", Array(whole[..<length])))
            #expect(text.contains("truncated"), "\(length): \(text)")
        }
    }

    static let badLabelFiles: [(bytes: [UInt8], mentions: String)] = [
        (numPyBytes("'|u1'", [2], [1, 2]), "holds 2 labels for the 3 images of"),
        (numPyBytes("'|u1'", [0], []), "holds 0 labels for the 3 images of"),
        (numPyBytes("'<f4'", [3], [UInt8](repeating: 0, count: 12)), "holds float32; labels are integers"),
        (numPyBytes("'|O'", [3], [1, 2, 3]), "holds Python objects"),
        (numPyBytes("'|i1'", [3], [1, 255, 2]), "label 1 is -1; labels are 0 to 65535"),
        (numPyBytes("'<i4'", [3], [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0]), "label 2 is 65536; labels are"),
        (numPyBytes("'>u8'", [3], [UInt8](repeating: 255, count: 24)), "label 0 is 18446744073709551615; labels"),
        (numPyBytes("'|u1'", [3, 2], [1, 2, 3, 4, 5, 6]), "has the shape [3, 2]; labels are [N]"),
    ]

    @Test("what are no labels of these images is refused, with the name of their file", arguments: badLabelFiles)
    func badLabels(bytes: [UInt8], mentions: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write("images.npy", fixture("grey"))
        let path = try directory.write("labels.npy", bytes)
        let text = message(directory.path)
        #expect(text.hasPrefix("\(path): ") && text.contains(mentions), "\(text)")
    }

    @Test("a pixel that is no number is found where it is decoded, and named")
    func notFinite() throws {
        let directory = try TemporaryDirectory()
        var elements = [UInt8](repeating: 0, count: 100 * 4 * 4)
        // No image that the identity looks at.
        elements.replaceSubrange(4 * (4 * 52 + 2)..<4 * (4 * 52 + 3), with: [0, 0, 0xC0, 0x7F])
        let path = try directory.write("a.npy", numPyBytes("'<f4'", [100, 2, 2], elements))
        let source = try ImageDataset.open(path: path, split: .train)
        _ = try source.decode(at: 51, into: ImageBuffer())
        let error: ImageDataError? = thrownError { try source.decode(at: 52, into: ImageBuffer()) }
        #expect(error?.description == "\(path): image 52 has a pixel that is infinite or not a number")
    }
}
