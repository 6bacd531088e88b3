/// Reads the JSON of a safetensors header, and nothing else.
///
/// A general JSON decoder keeps one of several equal keys without a word, accepts nesting of any depth, and takes many
/// times the memory of the text. This one accepts the format's two levels only, and refuses a name that occurs twice.
struct SafetensorsHeaderParser {
    struct Entry {
        let name: String
        let dtype: String
        let shape: [Int]
        let offsets: (begin: Int, end: Int)
    }

    private(set) var metadata: [String: String] = [:]
    private let bytes: [UInt8]
    private let path: String
    private var position = 0
    /// The tensor being read, for messages.
    private var tensor: String?

    /// NumPy's limit of axes.
    private static var maximumRank: Int { 64 }

    init(bytes: [UInt8], path: String) {
        self.bytes = bytes
        self.path = path
    }

    mutating func parse() throws(SafetensorsError) -> [Entry] {
        guard bytes.first == UInt8(ascii: "{") else { throw syntax("expected '{'") }
        var entries: [Entry] = []
        var names: Set<String> = []
        try object { (self, name) throws(SafetensorsError) in
            self.tensor = name
            if !names.insert(name).inserted { throw self.failure(.duplicateName) }
            if name == SafetensorsHeader.metadataName {
                try self.parseMetadata()
            } else {
                entries.append(try self.entry(name))
            }
            self.tensor = nil
        }
        skipSpace()
        if position < bytes.count { throw syntax("text after the header's object") }
        return entries
    }

    private mutating func parseMetadata() throws(SafetensorsError) {
        try object { (self, key) throws(SafetensorsError) in
            if self.metadata[key] != nil { throw self.failure(.duplicateField(key)) }
            self.metadata[key] = try self.string()
        }
    }

    private mutating func entry(_ name: String) throws(SafetensorsError) -> Entry {
        var dtype: String?
        var shape: [Int]?
        var offsets: [Int]?
        try object { (self, field) throws(SafetensorsError) in
            switch field {
            case "dtype" where dtype == nil: dtype = try self.string()
            case "shape" where shape == nil: shape = try self.integers(atMost: Self.maximumRank)
            case "data_offsets" where offsets == nil: offsets = try self.integers(atMost: 2)
            case "dtype", "shape", "data_offsets": throw self.failure(.duplicateField(field))
            default: throw self.failure(.unknownField(field))
            }
        }
        guard let dtype else { throw failure(.missingField("dtype")) }
        guard let shape else { throw failure(.missingField("shape")) }
        guard let offsets else { throw failure(.missingField("data_offsets")) }
        guard offsets.count == 2 else { throw syntax("data_offsets need two numbers") }
        return Entry(name: name, dtype: dtype, shape: shape, offsets: (offsets[0], offsets[1]))
    }

    // MARK: JSON

    /// Reads an object; `value` is called after each key and reads what belongs to it.
    private mutating func object(
        _ value: (inout Self, String) throws(SafetensorsError) -> Void
    ) throws(SafetensorsError) {
        try expect("{")
        if accept("}") { return }
        repeat {
            let key = try string()
            try expect(":")
            try value(&self, key)
        } while accept(",")
        try expect("}")
    }

    private mutating func integers(atMost limit: Int) throws(SafetensorsError) -> [Int] {
        try expect("[")
        if accept("]") { return [] }
        var values: [Int] = []
        repeat {
            if values.count == limit { throw syntax("more than \(limit) numbers") }
            values.append(try integer())
        } while accept(",")
        try expect("]")
        return values
    }

    private mutating func integer() throws(SafetensorsError) -> Int {
        skipSpace()
        let start = position
        var value = 0
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(bytes[position] - UInt8(ascii: "0")))
            if overflow || carry { throw syntax("number too large") }
            value = sum
            position += 1
        }
        if position == start { throw syntax("expected a number, zero or above") }
        return value
    }

    private mutating func string() throws(SafetensorsError) -> String {
        try expect("\"")
        var characters: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: characters, as: UTF8.self) else { throw syntax("not UTF-8") }
                return text
            case UInt8(ascii: "\\"): characters.append(contentsOf: try escaped().utf8)
            case 0..<0x20: throw syntax("control character in a string")
            default: characters.append(byte)
            }
        }
        throw syntax("string without end")
    }

    private mutating func escaped() throws(SafetensorsError) -> String {
        guard position < bytes.count else { throw syntax("string without end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return String(UnicodeScalar(byte))
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw syntax("unknown escape in a string")
        }
    }

    private mutating func unicodeEscape() throws(SafetensorsError) -> String {
        var units = [try codeUnit()]
        if UTF16.isLeadSurrogate(units[0]), bytes[position...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
            position += 2
            units.append(try codeUnit())
        }
        guard let text = String(validating: units, as: UTF16.self) else { throw syntax("unpaired surrogate") }
        return text
    }

    private mutating func codeUnit() throws(SafetensorsError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard position < bytes.count, let digit = Character(UnicodeScalar(bytes[position])).hexDigitValue else {
                throw syntax("expected four hexadecimal digits")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }

    // MARK: Characters

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func accept(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(SafetensorsError) {
        if !accept(character) { throw syntax("expected '\(character)'") }
    }

    private func syntax(_ problem: String) -> SafetensorsError {
        failure(.headerSyntax(position: position, problem: problem))
    }

    private func failure(_ reason: SafetensorsError.Reason) -> SafetensorsError {
        SafetensorsError(path: path, tensor: tensor, reason)
    }
}
