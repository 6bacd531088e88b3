/// Why a checkpoint could not be written, read or trusted.
///
/// `description` is one line that names the file or directory, what is wrong and what to do.
package struct CheckpointError: Error, Equatable {
    package enum Reason: Equatable, Sendable {
        case notACheckpoint
        case noCheckpoint
        case noValidCheckpoint(damaged: Int)
        case manifestInvalid(String)
        case unsupportedVersion(Int)
        case stateInvalid(String)
        case stateNotEncodable(String)
        /// Something that this program did not write, which it does not remove.
        case foreign(String)
    }

    /// The file or directory concerned.
    package let path: String
    package let reason: Reason

    package var isOfLaterVersion: Bool {
        if case .unsupportedVersion = reason { true } else { false }
    }

    package init(path: String, _ reason: Reason) {
        self.path = path
        self.reason = reason
    }
}
