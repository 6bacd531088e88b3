/// How a tar keeps names that its header has no room for.
package enum TarFormat: CaseIterable {
    case ustar, gnu, pax
}

/// A tar of files in memory.
package struct TarBytes {
    package private(set) var bytes: [UInt8] = []
    private let format: TarFormat

    package init(_ format: TarFormat = .ustar) { self.format = format }

    /// With the two blocks that end it.
    package var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    package mutating func add(_ name: String, _ content: [UInt8], type: Character = "0", link: String = "") {
        add(Array(name.utf8), content, type: type, link: link)
    }

    package mutating func add(_ name: [UInt8], _ content: [UInt8], type: Character = "0", link: String = "") {
        switch format {
        case .gnu where name.count > 100: block(Array("././@LongLink".utf8), name + [0], "L", "")
        case .pax:
            // The length of a record counts its own digits.
            let rest = Array(" path=".utf8) + name + [0x0A]
            var length = rest.count
            while String(length).utf8.count + rest.count != length { length += 1 }
            block(Array("PaxHeaders/x".utf8), Array(String(length).utf8) + rest, "x", "")
        default: break
        }
        block(Array(name.prefix(100)), content, type, link)
    }

    private mutating func block(_ name: [UInt8], _ content: [UInt8], _ type: Character, _ link: String) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: [UInt8], at place: Int) { header.replaceSubrange(place..<place + text.count, with: text) }
        func octal(_ number: Int, _ digits: Int) -> [UInt8] {
            let text = String(number, radix: 8)
            return Array((String(repeating: "0", count: digits - text.count) + text).utf8)
        }
        put(name, at: 0)
        put(Array("0000644".utf8), at: 100)
        put(octal(content.count, 11), at: 124)
        put(octal(0, 11), at: 136)
        put([UInt8](repeating: 0x20, count: 8), at: 148)
        header[156] = type.asciiValue ?? 0
        put(Array(link.utf8), at: 157)
        put(Array((format == .gnu ? "ustar  " : "ustar\u{0}00").utf8), at: 257)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + [0], at: 148)
        bytes += header + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }
}
