import Foundation

/// Small text files by which the kernel tells about the system. All of them may be absent.
enum SystemFile {
    static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

    static func words(_ path: String) -> [String] {
        (text(path) ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// The file's only word as a number; nil for `max`.
    static func number(_ path: String) -> Int? { words(path).first.flatMap { Int($0) } }

    /// Lines of a name and a number: `anon 4096`, or `MemAvailable:   123 kB`, whose unit is ignored.
    static func table(_ path: String) -> [String: Int] {
        var values: [String: Int] = [:]
        for line in (text(path) ?? "").split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == ":" })
            if words.count >= 2, let value = Int(words[1]) { values[String(words[0])] = value }
        }
        return values
    }
}
