internal import Foundation

/// The text of a file that the system makes when it is read, and whose size nobody knows before.
package func systemFile(_ path: String) throws -> String {
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
}
