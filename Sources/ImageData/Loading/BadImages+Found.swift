extension BadImages {
    /// An image that cannot be decoded, and why.
    package struct Found: Hashable, Sendable {
        package let image: Int
        /// In one line.
        package let reason: String

        package init(image: Int, reason: String) {
            self.image = image
            self.reason = reason
        }
    }

    /// A line for each of the first images, and one for the number of the others.
    package static func lines(of found: [Found]) -> [String] {
        let others = found.count - told
        return found.sorted { $0.image < $1.image }.prefix(told).map { "skipped \($0.reason)" }
            + (others > 0 ? ["skipped \(others) more \(others == 1 ? "image" : "images") that cannot be decoded"] : [])
    }

    private static var told: Int { 3 }

    /// For `decoded` on another rank.
    package static func encoded(_ found: [Found]) -> [UInt8] {
        Array(found.map { "\($0.image) \($0.reason)\n" }.joined().utf8)
    }

    package static func decoded(_ bytes: [UInt8]) -> [Found] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let text = String(decoding: line, as: UTF8.self)
            guard let end = text.firstIndex(of: " "), let image = Int(text[..<end]) else { return nil }
            return Found(image: image, reason: String(text[text.index(after: end)...]))
        }
    }
}
