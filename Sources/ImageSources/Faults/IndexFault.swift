/// Why bytes are no index of images. `description` says what is wrong, and stands after the name of a file.
package enum IndexFault: Error, Equatable, CustomStringConvertible {
    case otherFormat
    case otherVersion(UInt32, known: UInt32)
    case wrongLength(expected: Int?, found: Int)
    case checksumMismatch
    /// What it says of a sample, a file or a class cannot be.
    case impossible(String)

    package var description: String {
        switch self {
        case .otherFormat: "is no index of images"
        case .otherVersion(let version, let known):
            "is an index of images of version \(version), and this program reads version \(known)"
        case .wrongLength(let expected, let found):
            "is damaged: it has \(found) bytes, and declares \(expected.map { "\($0)" } ?? "more than there can be")"
        case .checksumMismatch: "is damaged: its checksum is another"
        case .impossible(let reason): "is damaged: \(reason)"
        }
    }
}
