/// What the path of an image says: its directory, its class, its key.
package enum SamplePath {
    private static var slash: UInt8 { UInt8(ascii: "/") }

    /// The path without the file's name, and without the slash before it.
    package static func directory(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        path[..<(path.lastIndex(of: slash) ?? path.startIndex)]
    }

    package static func file(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        path.lastIndex(of: slash).map { path[($0 + 1)...] } ?? path
    }

    /// The first directory; empty where there is none.
    package static func top(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        path[..<(path.firstIndex(of: slash) ?? path.startIndex)]
    }

    /// WebDataset's key of a sample: the path up to the first dot of the file's name.
    package static func webDatasetKey(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        path[..<(file(path).firstIndex(of: UInt8(ascii: ".")) ?? path.endIndex)]
    }

    /// What follows the last dot of the file's name, in small letters.
    package static func suffix(_ path: ArraySlice<UInt8>) -> String {
        let file = file(path)
        guard let dot = file.lastIndex(of: UInt8(ascii: ".")) else { return "" }
        return String(decoding: file[(dot + 1)...], as: UTF8.self).lowercased()
    }

    /// Whether the file or a directory on the way begins with a dot.
    package static func isHidden(_ path: ArraySlice<UInt8>) -> Bool {
        path.split(separator: slash).contains { $0.first == UInt8(ascii: ".") }
    }
}
