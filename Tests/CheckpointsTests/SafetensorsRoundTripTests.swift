import Foundation
import Host
import Safetensors
import Tensors
import TestSupport
import Testing

@Suite("Tensors survive the way to a safetensors file and back")
struct SafetensorsRoundTripTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private var path: String { "\(directory.path)/tensors.safetensors" }

    /// Written by the reference implementation, safetensors for Python.
    private static let referenceFile = """
        2AAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJwdCJ9LCJhLndlaWdodCI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMiwzXSwi\
        ZGF0YV9vZmZzZXRzIjpbMCwyNF19LCJiLmJpYXMiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzAsNF0sImRhdGFfb2Zmc2V0cyI6WzI0LDI0\
        XX0sImMiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6W10sImRhdGFfb2Zmc2V0cyI6WzI0LDI4XX19ICAgICAAACDAAADAvwAAAL8AAAA/AADA\
        PwAAIEDNzMw9
        """

    /// F16, F64, I16, I32, I64 and U8, by the same.
    private static let referenceDtypes = """
        SAEAAAAAAAB7ImwiOnsiZHR5cGUiOiJJNjQiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOlswLDhdfSwiZCI6eyJkdHlwZSI6IkY2NCIs\
        InNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6WzgsMjRdfSwiaSI6eyJkdHlwZSI6IkkzMiIsInNoYXBlIjpbMl0sImRhdGFfb2Zmc2V0cyI6\
        WzI0LDMyXX0sImgiOnsiZHR5cGUiOiJGMTYiLCJzaGFwZSI6WzVdLCJkYXRhX29mZnNldHMiOlszMiw0Ml19LCJzIjp7ImR0eXBlIjoiSTE2\
        Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbNDIsNDRdfSwidSI6eyJkdHlwZSI6IlU4Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRz\
        IjpbNDQsNDVdfX0gAAAAAAABAACamZmZmZm5P5x1AIg85Dd+/f///////38APADA/3sBAAB8BwD/
        """

    private func counting(rows: Int, columns: Int) -> Matrix {
        Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { Float($0) - 2.5 })
    }

    @Test("the bytes are those of the reference implementation")
    func sameBytes() throws {
        let reference = try #require(Data(base64Encoded: Self.referenceFile))
        let scalar = Matrix(rows: 1, columns: 1, values: [0.1])
        try SafetensorsWriter.write(
            [
                NamedTensor("a.weight", shape: [2, 3], counting(rows: 2, columns: 3)),
                NamedTensor("b.bias", shape: [0, 4], Matrix(rows: 0, columns: 4)),
                NamedTensor("c", shape: [], scalar),
            ], metadata: ["format": "pt"], to: path)
        #expect(try content(path) == Array(reference))
    }

    @Test("names, shapes, dtypes, metadata and elements of a reference file are read")
    func readsReference() throws {
        let reference = try #require(Data(base64Encoded: Self.referenceFile))
        let file = try SafetensorsFile(path: try directory.write("reference.safetensors", Array(reference)))
        #expect(file.names == ["a.weight", "b.bias", "c"])
        #expect(file.metadata == ["format": "pt"])
        #expect(file["a.weight"]?.shape == [2, 3] && file["a.weight"]?.dtype == .f32)
        #expect(file["b.bias"]?.shape == [0, 4])
        #expect(file["none"] == nil)
        #expect(try file.floats("a.weight") == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
        #expect(try file.floats("b.bias").isEmpty)
        #expect(try file.floats("c") == [0.1])
    }

    @Test("other dtypes are converted, rounded to nearest, or refused by name")
    func conversions() throws {
        let reference = try #require(Data(base64Encoded: Self.referenceDtypes))
        let file = try SafetensorsFile(path: try directory.write("dtypes.safetensors", Array(reference)))
        // 6e-8 is a subnormal of F16: the nearest is 2^-24.
        #expect(try file.floats("h") == [1, -2, 65504, 0x1p-24, .infinity])
        #expect(try file.floats("d") == [0.1, .infinity])
        #expect(try file.floats("i") == [-3, 2_147_483_648])
        #expect(try file.floats("l") == [1_099_511_627_776])
        #expect(try file.floats("u") == [255])
        #expect(try file.floats("s").count == 1)
    }

    /// dtype, bytes and values.
    static let integers: [(String, [UInt8], [Float])] = [
        ("I16", [0xFF, 0x7F, 0x00, 0x80], [32767, -32768]), ("I8", [0x7F, 0x80], [127, -128]),
        ("U16", [0xFF, 0xFF, 1, 0], [65535, 1]), ("BOOL", [0, 1, 1], [0, 1, 1]),
        ("U32", [0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 1], [4_294_967_296, 16_777_216]),
        ("U64", [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [18_446_744_073_709_551_616]),
    ]

    @Test("integers become the nearest float", arguments: integers)
    func integer(dtype: String, bytes: [UInt8], values: [Float]) throws {
        let header = "{\"t\":{\"dtype\":\"\(dtype)\",\"shape\":[\(values.count)],\"data_offsets\":[0,\(bytes.count)]}}"
        let file = try SafetensorsFile(path: try directory.write("integers", safetensors(header, bytes)))
        #expect(try file.floats("t") == values)
    }

    /// dtype, elements and bytes; the last three are of no version of the format.
    static let others = [
        ("F4", 4, 2), ("F6_E2M3", 4, 3), ("F6_E3M2", 8, 6), ("F8_E8M0", 3, 3), ("F8_E4M3", 3, 3), ("F8_E5M2", 3, 3),
        ("C64", 2, 16), ("F2", 16, 4), ("Q4_K", 256, 144), ("", 1, 5),
    ]

    @Test("a tensor that is not asked for blocks no file, whatever its dtype", arguments: others)
    func notAskedFor(dtype: String, count: Int, bytes: Int) throws {
        let header =
            "{\"odd\":{\"dtype\":\"\(dtype)\",\"shape\":[\(count)],\"data_offsets\":[0,\(bytes)]},"
            + "\"wanted\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[\(bytes),\(bytes + 2)]}}"
        let content = [UInt8](repeating: 0, count: bytes) + [3, 4]
        let file = try SafetensorsFile(path: try directory.write("odd", safetensors(header, content)))
        #expect(file.names == ["odd", "wanted"] && file["odd"]?.shape == [count])
        #expect(try file.floats("wanted") == [3, 4])
        for error in [
            thrownError(SafetensorsError.self) { _ = try file.floats("odd") },
            thrownError(SafetensorsError.self) {
                try file.read("odd", shape: [count], into: Matrix(rows: 1, columns: count))
            },
        ] {
            #expect(error?.reason == .unsupportedDtype(dtype) && error?.tensor == "odd")
            let text = try #require(error).description
            #expect(text.contains("cannot be read as floats") && !text.contains("\n"))
        }
    }

    @Test("BF16 is the upper half of F32, also into a strided view and beyond one piece of reading")
    func brainFloat() throws {
        let values = (0..<700_001).map { Float(bitPattern: UInt32($0 % 60_000) << 16) }
        let data = values.flatMap { [UInt8($0.bitPattern >> 16 & 255), UInt8($0.bitPattern >> 24)] }
        let header = "{\"b\":{\"dtype\":\"BF16\",\"shape\":[700001],\"data_offsets\":[0,1400002]}}"
        let file = try SafetensorsFile(path: try directory.write("bf16.safetensors", safetensors(header, data)))
        #expect(try file.floats("b").map(\.bitPattern) == values.map(\.bitPattern))
        let view = Matrix(rows: 700_001, columns: 3).columns(1..<2)
        try file.read("b", shape: [700_001], into: view)
        #expect(view.array.map(\.bitPattern) == values.map(\.bitPattern))
    }

    @Test("strided views are written and read as the elements they show, and nothing beside them is touched")
    func stridedViews() throws {
        let wide = counting(rows: 1000, columns: 900)
        let narrow = wide.columns(100..<103)
        let part = wide.columns(7..<607)
        let tokens = wide.everyRow(from: 3, step: 5)
        let record = try SafetensorsWriter.write(
            [
                NamedTensor("part", shape: [1000, 600], part), NamedTensor("narrow", shape: [1000, 3, 1], narrow),
                NamedTensor("tokens", shape: [200, 900], tokens),
            ], to: path)
        #expect(record.size == (try content(path)).count)
        let file = try SafetensorsFile(path: path)
        #expect(try file.floats("part") == part.array)
        #expect(try file.floats("narrow") == narrow.array)
        #expect(try file.floats("tokens") == tokens.array)
        let target = Matrix(rows: 1000, columns: 900)
        target.fill(-7)
        try file.read("part", shape: [1000, 600], into: target.columns(7..<607))
        #expect(target.columns(7..<607).array == part.array)
        #expect(target.columns(0..<7).array.allSatisfy { $0 == -7 })
        #expect(target.columns(607..<900).array.allSatisfy { $0 == -7 })
    }

    @Test("every bit pattern survives: NaN with a payload, negative zero, subnormals")
    func bitPatterns() throws {
        let patterns: [UInt32] = [0x7FC0_1234, 0xFF80_0001, 0x8000_0000, 1, 0x7F80_0000]
        let values = Matrix(rows: 1, columns: 5, values: patterns.map { Float(bitPattern: $0) })
        try SafetensorsWriter.write([NamedTensor("x", shape: [5], values)], to: path)
        #expect(try SafetensorsFile(path: path).floats("x").map(\.bitPattern) == patterns)
    }

    @Test("files of nothing, names and metadata of any characters")
    func emptyAndQuoted() throws {
        try SafetensorsWriter.write([], to: path)
        #expect(try SafetensorsFile(path: path).names.isEmpty)
        let name = "a\"b\\c\u{1}\u{1f}\n/é😀"
        let one = Matrix(rows: 1, columns: 1)
        try SafetensorsWriter.write([NamedTensor(name, shape: [1], one)], metadata: [name: name], to: path)
        let file = try SafetensorsFile(path: path)
        #expect(file.names == [name] && file.metadata == [name: name])
        let fields = "{\"dtype\":\"U8\",\"shape\":[ 1 ] , \"data_offsets\":[0,1]}"
        let escaped = "{\"\\ud83d\\ude00\\u00E9\\/\\t\":\(fields)} \n "
        let escapedFile = try SafetensorsFile(path: try directory.write("escaped", safetensors(escaped, [9])))
        #expect(escapedFile.names == ["😀é/\t"])
    }

    @Test("a missing tensor and another shape are errors that name the tensor, and leave the view as it was")
    func mismatches() throws {
        let values = counting(rows: 2, columns: 3)
        try SafetensorsWriter.write([NamedTensor("w", shape: [2, 3], values)], to: path)
        let file = try SafetensorsFile(path: path)
        let missing = thrownError(SafetensorsError.self) { try file.read("v", shape: [2, 3], into: values) }
        #expect(missing?.reason == .tensorMissing && missing?.tensor == "v")
        let target = Matrix(rows: 3, columns: 2)
        let shape = thrownError(SafetensorsError.self) { try file.read("w", shape: [3, 2], into: target) }
        #expect(shape?.reason == .shapeMismatch(expected: [3, 2], found: [2, 3]))
        #expect(
            shape?.description
                == "\(path): tensor 'w': has shape [2, 3], expected [3, 2]; was it written for another model?")
        #expect(target.array == [0, 0, 0, 0, 0, 0])
    }

    @Test("the checksum is the CRC-32 of the whole file")
    func checksum() throws {
        let record = try SafetensorsWriter.write(
            [NamedTensor("w", shape: [900, 700], counting(rows: 900, columns: 700))], to: path)
        // Bit by bit, apart from zlib.
        var crc: UInt32 = .max
        for byte in try content(path) {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        #expect(record.crc32 == ~crc)
    }

    @Test("a full disk is an error of one line", .enabled(if: FileManager.default.isWritableFile(atPath: "/dev/full")))
    func fullDisk() throws {
        let values = counting(rows: 900, columns: 700)
        let error = thrownError(FileError.self) {
            try SafetensorsWriter.write([NamedTensor("w", shape: [900, 700], values)], to: "/dev/full")
        }
        #expect(
            error?.description
                == "/dev/full: write failed: No space left on device; free space there or choose another directory")
    }
}
