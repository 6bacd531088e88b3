import Host
import Safetensors
import TestSupport
import Testing

@Suite("A malformed safetensors file is refused with the reason, without a trap and without large allocations")
struct SafetensorsHostileFileTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func refusal(_ bytes: [UInt8]) throws -> SafetensorsError? {
        let path = try directory.write("hostile.safetensors", bytes)
        return thrownError(SafetensorsError.self) { try SafetensorsFile(path: path) }
    }

    private func length(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

    /// A header of one F32 tensor `t`.
    private static func one(shape: String, offsets: String, dtype: String = "F32") -> String {
        "{\"t\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}}"
    }

    private static func two(_ first: String, _ second: String) -> String {
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":\(first)},"
            + "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":\(second)}}"
    }

    @Test("header lengths that no file can bear")
    func headerLengths() throws {
        #expect(try refusal([])?.reason == .tooShort(bytes: 0))
        #expect(try refusal([1, 2, 3])?.reason == .tooShort(bytes: 3))
        #expect(
            try refusal(length(.max) + [0x7B, 0x7D])?.reason == .headerTooLong(bytes: .max, limit: 100_000_000))
        #expect(
            try refusal(length(100_000_001))?.reason == .headerTooLong(bytes: 100_000_001, limit: 100_000_000))
        #expect(
            try refusal(length(100_000_000) + [0x7B, 0x7D])?.reason
                == .headerBeyondFile(bytes: 100_000_000, available: 2))
    }

    @Test(
        "text that is not the format's JSON",
        arguments: [
            ("", 0, "expected '{'"),
            ("[]", 0, "expected '{'"),
            (" {}", 0, "expected '{'"),
            ("{", 1, "expected '\"'"),
            ("{}{}", 2, "text after the header's object"),
            ("{\"a\"}", 4, "expected ':'"),
            ("{\"a\":3}", 5, "expected '{'"),
            ("{\"a\":{}} x", 9, "text after the header's object"),
            ("{\"a", 3, "string without end"),
            ("{\"a\\", 4, "string without end"),
            ("{\"a\\x\"", 5, "unknown escape in a string"),
            ("{\"\\ud800\"", 8, "unpaired surrogate"),
            ("{\"\\u12\"", 6, "expected four hexadecimal digits"),
            ("{\"a\n\"", 4, "control character in a string"),
            (one(shape: "[-1]", offsets: "[0,4]"), 29, "expected a number, zero or above"),
            (one(shape: "[1.5]", offsets: "[0,4]"), 30, "expected ']'"),
            (one(shape: "3", offsets: "[0,4]"), 28, "expected '['"),
            (one(shape: "[99999999999999999999]", offsets: "[0,4]"), 47, "number too large"),
            (one(shape: "[1]", offsets: "[0,4,8]"), 52, "more than 2 numbers"),
            (one(shape: "[1]", offsets: "[4]"), 51, "data_offsets need two numbers"),
            ("{\"__metadata__\":{\"a\":1}}", 21, "expected '\"'"),
        ])
    func syntax(header: String, position: Int, problem: String) throws {
        // An empty object as a tensor is well-formed JSON, and refused for what it lacks.
        let expected: SafetensorsError.Reason =
            header.contains("{}}") ? .missingField("dtype") : .headerSyntax(position: position, problem: problem)
        #expect(try refusal(safetensors(header))?.reason == expected)
    }

    @Test("text that is not UTF-8")
    func encoding() throws {
        let bytes = length(6) + [0x7B, 0x22, 0xC3, 0x28, 0x22, 0x7D]
        #expect(try refusal(bytes)?.reason == .headerSyntax(position: 5, problem: "not UTF-8"))
    }

    @Test("nesting as deep as the header is long")
    func nesting() throws {
        let header = String(repeating: "{\"a\":", count: 100_000)
        #expect(try refusal(safetensors(header))?.reason == .unknownField("a"))
        let brackets = String(repeating: "[", count: 1_000_000)
        #expect(
            try refusal(safetensors("{\"a\":{\"shape\":\(brackets)"))?.reason
                == .headerSyntax(position: 15, problem: "expected a number, zero or above"))
    }

    @Test("a shape of more axes than any array has")
    func rank() throws {
        let shape = "[\(Array(repeating: "1", count: 65).joined(separator: ","))]"
        let reason = try refusal(safetensors(Self.one(shape: shape, offsets: "[0,4]"), [0, 0, 0, 0]))?.reason
        #expect(reason == .headerSyntax(position: 157, problem: "more than 64 numbers"))
    }

    @Test("names and fields that occur twice, are missing or unknown")
    func fields() throws {
        let tensor = "\"t\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"
        let empty = "\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"
        #expect(try refusal(safetensors("{\(tensor),\(tensor)}", [1, 2, 3, 4]))?.reason == .duplicateName)
        #expect(try refusal(safetensors("{\(empty),\(tensor)}", [1, 2, 3, 4]))?.reason == .duplicateName)
        let metadata = "\"__metadata__\":{}"
        #expect(try refusal(safetensors("{\(metadata),\(metadata)}"))?.reason == .duplicateName)
        #expect(try refusal(safetensors("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}"))?.reason == .duplicateField("k"))
        for field in ["dtype", "shape", "data_offsets"] {
            let values = ["dtype": "\"U8\"", "shape": "[0]", "data_offsets": "[0,0]"]
            let members = values.map { "\"\($0.key)\":\($0.value)" }
            let others = values.filter { $0.key != field }.map { "\"\($0.key)\":\($0.value)" }
            let twice = members + ["\"\(field)\":\(values[field] ?? "")"]
            #expect(
                try refusal(safetensors("{\"t\":{\(others.joined(separator: ","))}}"))?.reason == .missingField(field))
            #expect(
                try refusal(safetensors("{\"t\":{\(twice.joined(separator: ","))}}"))?.reason == .duplicateField(field))
        }
        #expect(try refusal(safetensors("{\"t\":{\"strides\":[1]}}"))?.reason == .unknownField("strides"))
    }

    @Test(
        "shapes and data_offsets that contradict each other or the file",
        arguments: [
            (one(shape: "[4294967296,4294967296]", offsets: "[0,8]"), SafetensorsError.Reason.shapeOverflow),
            (one(shape: "[9223372036854775807]", offsets: "[0,8]"), .shapeOverflow),
            (one(shape: "[2]", offsets: "[8,0]"), .offsetsReversed(begin: 8, end: 0)),
            (one(shape: "[4]", offsets: "[0,16]"), .offsetsOutsideFile(end: 16, available: 8)),
            (
                one(shape: "[1]", offsets: "[9223372036854775800,9223372036854775804]"),
                .offsetsOutsideFile(end: 9_223_372_036_854_775_804, available: 8)
            ),
            (one(shape: "[3]", offsets: "[0,8]"), .byteCountMismatch(expected: 12, found: 8)),
            (one(shape: "[]", offsets: "[0,8]"), .byteCountMismatch(expected: 4, found: 8)),
            (one(shape: "[1]", offsets: "[0,4]"), .trailingBytes(4)),
            (one(shape: "[1]", offsets: "[4,8]"), .offsetsGap(begin: 4, previousEnd: 0)),
            (one(shape: "[5]", offsets: "[0,3]", dtype: "F4"), .partOfByte(bits: 20)),
            (one(shape: "[2]", offsets: "[0,8]", dtype: "F6_E2M3"), .partOfByte(bits: 12)),
            (one(shape: "[18]", offsets: "[0,8]", dtype: "F4"), .byteCountMismatch(expected: 9, found: 8)),
            (one(shape: "[4611686018427387904]", offsets: "[0,8]", dtype: "F4"), .shapeOverflow),
            (one(shape: "[2]", offsets: "[0,4]", dtype: "C64"), .byteCountMismatch(expected: 16, found: 4)),
            (one(shape: "[2]", offsets: "[8,0]", dtype: "F31"), .offsetsReversed(begin: 8, end: 0)),
            (one(shape: "[2]", offsets: "[0,9]", dtype: "F31"), .offsetsOutsideFile(end: 9, available: 8)),
            (one(shape: "[2]", offsets: "[0,7]", dtype: "F31"), .trailingBytes(1)),
            (two("[0,4]", "[0,4]"), .offsetsOverlap(begin: 0, previousEnd: 4)),
            (two("[0,4]", "[3,7]"), .offsetsOverlap(begin: 3, previousEnd: 4)),
            ("{}", .trailingBytes(8)),
        ])
    func layout(header: String, reason: SafetensorsError.Reason) throws {
        #expect(try refusal(safetensors(header, [UInt8](repeating: 0, count: 8)))?.reason == reason)
    }

    @Test("the message is one line that names file and tensor, whatever the tensor is called")
    func message() throws {
        let name = "w\\n\\u001b[31m" + String(repeating: "x", count: 5_000)
        let header = "{\"\(name)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}"
        let error = try #require(try refusal(safetensors(header, [0, 0])))
        #expect(!error.description.contains { $0.isNewline } && !error.description.contains("\u{1b}"))
        #expect(error.description.hasPrefix("\(directory.path)/hostile.safetensors: tensor 'w??[31mxxx"))
        #expect(error.description.hasSuffix("…': data begin at byte 1, after a gap from 0"))
        #expect(error.description.count < 500)
    }

    @Test("a directory, a pipe and a missing file")
    func notAFile() throws {
        #expect(
            thrownError(FileError.self) { try SafetensorsFile(path: directory.path) }?.reason
                == .notRegularFile)
        let pipe = "\(directory.path)/pipe"
        #expect(makePipe(pipe))
        #expect(thrownError(FileError.self) { try SafetensorsFile(path: pipe) }?.reason == .notRegularFile)
        let missing = thrownError(FileError.self) { try SafetensorsFile(path: "/nowhere/x.safetensors") }
        #expect(
            missing?.description
                == "/nowhere/x.safetensors: open failed: No such file or directory; was it removed or moved?")
    }

    @Test("a file that is cut after it was opened")
    func truncatedWhileOpen() throws {
        let bytes = safetensors(Self.one(shape: "[2]", offsets: "[0,8]"), [UInt8](repeating: 0, count: 8))
        let path = try directory.write("cut.safetensors", bytes)
        let file = try SafetensorsFile(path: path)
        #expect(cut(path, to: bytes.count - 3))
        let error = thrownError(FileError.self) { try file.floats("t") }
        #expect(error?.reason == .truncatedWhileReading(position: bytes.count - 3))
    }
}
