import Foundation
import Glibc

/// A file of lines that grows while a run goes on. What cannot be written now is kept and written with the next line, so
/// that a disk that was full for a while leaves no hole.
package struct AppendedLog: Sendable {
    package let path: String
    private var waiting = ""

    package init(path: String) { self.path = path }

    /// Adds a line, and those before it that are still missing.
    ///
    /// - Throws: if nothing could be added; the file is then as it was and the line waits.
    package mutating func append(_ line: String) throws(FileError) {
        waiting += line + "\n"
        try catchUp()
    }

    /// Writes the lines that wait, if there are any.
    package mutating func catchUp() throws(FileError) {
        guard !waiting.isEmpty else { return }
        try TextFile.append(waiting, to: path)
        waiting = ""
    }

    /// Takes out the lines that `isObsolete` says so of. All others stay as they are, byte for byte, whatever they hold.
    ///
    /// - Parameter isObsolete: receives a line without its end.
    /// - Returns: how many were taken out.
    package func rewind(_ isObsolete: ([UInt8]) -> Bool) throws(FileError) -> Int {
        let content: [UInt8]
        do {
            content = try TextFile.content(of: path, limit: Self.maximumSize)
        } catch let error where error.isMissing {
            return 0
        }
        let lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let kept = lines.filter { $0.isEmpty || !isObsolete(Array($0)) }
        var text = Array(kept.joined(separator: [UInt8(ascii: "\n")]))
        // A line that was cut off must not run into the next.
        if let last = text.last, last != UInt8(ascii: "\n") { text.append(UInt8(ascii: "\n")) }
        if text != content { try TextFile.replace(path, by: text) }
        return lines.count - kept.count
    }

    /// The largest log that is read, in bytes; a line has some hundred.
    private static var maximumSize: Int { 1 << 30 }
}
