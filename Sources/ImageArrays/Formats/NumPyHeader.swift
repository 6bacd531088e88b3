internal import Host
internal import ImageSources

/// The header of a .npy file: a dictionary of Python, of which names, numbers, True and False are understood.
///
/// Source: NumPy, "numpy.lib.format", sections "Format Version 1.0" to "3.0".
struct NumPyHeader: Equatable {
    /// What an element is: a letter for its kind, and its number of bytes.
    struct Element: Equatable {
        let kind: Character
        let byteCount: Int
        let isBigEndian: Bool
        /// As NumPy calls it: `int32`.
        let name: String
    }

    let element: Element
    let shape: [Int]

    /// - Throws: for what is no such header, objects, records and arrays in Fortran order.
    init(_ text: [UInt8]) throws(ArrayFault) {
        var reader = Reader(text: text)
        var (description, isFortran, shape): (String?, Bool?, [Int]?) = (nil, nil, nil)
        try reader.expect("{")
        while !reader.take("}") {
            let key = try reader.string()
            try reader.expect(":")
            switch key {
            case "descr":
                if reader.next != "'" && reader.next != "\"" { throw .structured }
                description = try reader.string()
            case "fortran_order": isFortran = try reader.boolean()
            case "shape": shape = try reader.sizes()
            default: throw .badHeader("has the entry '\(key)'")
            }
            if !reader.take(",") && reader.next != "}" { throw .badHeader("is no dictionary") }
        }
        guard reader.next == nil else { throw .badHeader("goes on after its end") }
        guard let description, let isFortran, let shape else { throw .badHeader("is incomplete") }
        element = try Self.element(description)
        if isFortran { throw .fortranOrder }
        self.shape = shape
    }

    /// Of `<f4` and the like.
    private static func element(_ text: String) throws(ArrayFault) -> Element {
        var rest = Substring(text)
        let order = rest.first.flatMap { "<>=|".contains($0) ? $0 : nil }
        if order != nil { rest = rest.dropFirst() }
        guard let kind = rest.popFirst() else { throw .badHeader("names no type") }
        if kind == "O" { throw .objects }
        let names: [Character: String] = ["u": "uint", "i": "int", "f": "float", "c": "complex"]
        guard let bytes = Int(rest), (1...1024).contains(bytes) else { throw .badHeader("names the type '\(text)'") }
        let name = names[kind].map { "\($0)\(8 * bytes)" } ?? (kind == "b" ? "bool" : "the type '\(text)'")
        return Element(kind: kind, byteCount: bytes, isBigEndian: order == ">", name: name)
    }
}

/// Takes the words of the dictionary one by one.
private struct Reader {
    let text: [UInt8]
    private var position = 0

    init(text: [UInt8]) { self.text = text }

    /// The next character that is no space.
    var next: Character? {
        mutating get {
            while position < text.count, [0x20, 0x0A, 0x0D, 0x09].contains(text[position]) { position += 1 }
            return position < text.count ? Character(Unicode.Scalar(text[position])) : nil
        }
    }

    mutating func take(_ character: Character) -> Bool {
        guard next == character else { return false }
        position += 1
        return true
    }

    mutating func expect(_ character: Character) throws(ArrayFault) {
        guard take(character) else { throw .badHeader("lacks a '\(character)'") }
    }

    /// In quotes, without escapes.
    mutating func string() throws(ArrayFault) -> String {
        guard let quote = next, quote == "'" || quote == "\"" else { throw .badHeader("lacks a name") }
        position += 1
        guard let end = text[position...].firstIndex(of: quote.asciiValue ?? 0), end - position <= 64 else {
            throw .badHeader("has a name without end")
        }
        defer { position = end + 1 }
        return String(decoding: text[position..<end], as: UTF8.self).printable(limit: 64)
    }

    mutating func boolean() throws(ArrayFault) -> Bool {
        _ = next
        for (word, value) in [("True", true), ("False", false)] where text[position...].starts(with: word.utf8) {
            position += word.utf8.count
            return value
        }
        throw .badHeader("does not say True or False")
    }

    /// Numbers in parentheses; Python 2 wrote an L after long ones.
    mutating func sizes() throws(ArrayFault) -> [Int] {
        var sizes: [Int] = []
        try expect("(")
        while !take(")") {
            let digits = text[position...].prefix { (0x30...0x39).contains($0) }
            guard let size = Int(String(decoding: digits, as: UTF8.self)), sizes.count < 32 else {
                throw .badHeader("has no shape that can be counted")
            }
            position += digits.count
            _ = take("L")
            sizes.append(size)
            if !take(",") && next != ")" { throw .badHeader("has no shape") }
        }
        return sizes
    }
}
