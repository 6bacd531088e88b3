import ImageArrays
import ImageCodecs
import ImageSources
import Testing
import TestSupport

@Suite("Which axis of an array is the channels'")
struct ArrayShapeTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let shape: [Int]
        let channels: Int
        let height: Int
        let width: Int
        var testDescription: String { "\(shape)" }

        init(_ shape: [Int], _ channels: Int, _ height: Int, _ width: Int) {
            (self.shape, self.channels, self.height, self.width) = (shape, channels, height, width)
        }
    }

    static let cases = [
        Case([2, 9, 8], 1, 9, 8), Case([2, 3, 32, 32], 3, 32, 32), Case([2, 32, 32, 3], 3, 32, 32),
        Case([1, 1, 5, 5], 1, 5, 5), Case([1, 5, 7, 1], 1, 5, 7), Case([1, 13, 64, 64], 13, 64, 64),
        Case([1, 64, 64, 13], 13, 64, 64), Case([1, 12, 80, 90], 12, 80, 90), Case([1, 80, 90, 12], 12, 80, 90),
        // More channels than pixels on a side, in square images.
        Case([1, 64, 8, 8], 64, 8, 8), Case([1, 8, 8, 64], 64, 8, 8),
        // Too many for channels.
        Case([1, 65, 7, 64], 64, 65, 7), Case([1, 2, 3, 65], 2, 3, 65),
        Case([1, 4, 6, 5], 4, 6, 5), Case([1, 6, 5, 4], 4, 6, 5),
    ]

    @Test("is told by the sizes, in .npy and IDX files", arguments: cases)
    func told(_ wanted: Case) throws {
        let directory = try TemporaryDirectory()
        let elements = [UInt8](repeating: 7, count: wanted.shape.reduce(1, *))
        let path = try directory.write("a.npy", numPyBytes("'|u1'", wanted.shape, elements))
        let idx = try directory.write(
            "train-images-idx3-ubyte",
            idxBytes([0x800 + UInt32(wanted.shape.count)] + wanted.shape.map(UInt32.init), elements))
        for path in [path, directory.path] {
            let source = try ImageDataset.open(path: path, split: .train)
            #expect(source.channels == wanted.channels && source.count == wanted.shape[0], "\(idx)")
            #expect(source.uniformSize == ImageSize(height: wanted.height, width: wanted.width))
        }
    }

    @Test(
        "is refused where it could be either, or neither",
        arguments: [
            ([1, 5, 5, 5], "channels could be the second or the last"),
            ([1, 8, 5, 8], "could be the second or the last"),
            ([1, 65, 2, 66], "neither the second nor the last"),
        ])
    func ambiguous(shape: [Int], mentions: String) throws {
        let directory = try TemporaryDirectory()
        let elements = [UInt8](repeating: 7, count: shape.reduce(1, *))
        let paths = [
            try directory.write("a.npy", numPyBytes("'|u1'", shape, elements)),
            try directory.write("idx", idxBytes([0x804] + shape.map(UInt32.init), elements)),
        ]
        for path in paths {
            let error: ImageDataError? = thrownError {
                if path.hasSuffix(".npy") {
                    _ = try ImageDataset.open(path: path, split: .train)
                } else {
                    _ = try IDXFile.open(name: "test", images: path, labels: nil)
                }
            }
            let text = error?.description ?? ""
            #expect(text.hasPrefix("\(path): has the shape \(shape)") && text.contains(mentions), "\(text)")
        }
    }

    @Test("16-bit integers and floats of IDX files are big-endian")
    func idxTypes() throws {
        let directory = try TemporaryDirectory()
        let files: [(UInt32, [UInt8], Float)] = [
            (0xB03, [0x80, 0x00], -32768 / 65_535), (0xD03, [0x3F, 0xC0, 0, 0], 1.5),
            (0xE03, [0xC0, 0x04, 0, 0, 0, 0, 0, 0], -2.5),
        ]
        for (magic, bytes, expected) in files {
            let path = try directory.write("idx", idxBytes([magic, 1, 1, 1], bytes))
            let source = try IDXFile.open(name: "test", images: path, labels: nil)
            let found = value(try source.decode(at: 0, into: ImageBuffer()), row: 0, column: 0, channel: 0)
            #expect(found == expected && source.earlierFingerprint == nil)
        }
    }
}
