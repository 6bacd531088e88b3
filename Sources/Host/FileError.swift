import Glibc

/// What went wrong with a file or a directory. It says what to do about it.
package struct FileError: Error, Equatable {
    package enum Reason: Equatable, Sendable {
        /// A system call failed with `code`, an errno.
        case system(call: String, code: Int32)
        case notRegularFile
        case tooLarge(bytes: Int, limit: Int)
        /// The file ended while it was being read: it was changed after it was opened.
        case truncatedWhileReading(position: Int)
        /// The path that a flag, named here, gives for a directory is something else.
        case notADirectory(String)
        /// The content is not what was once written.
        case sizeMismatch(expected: Int, found: Int)
        case checksumMismatch(expected: UInt32, found: UInt32)
    }

    package let path: String
    package let reason: Reason

    package init(path: String, _ reason: Reason) {
        self.path = path
        self.reason = reason
    }

    /// Whether the file may be as it should and only cannot be read, now or by this user.
    package var isPassing: Bool {
        guard case .system(_, let code) = reason else { return false }
        return code != ENOENT && code != ENOTDIR && code != ELOOP
    }

    /// Whether there was nothing to read under that name.
    package var isMissing: Bool { reason == .system(call: SystemCall.openForReading, code: ENOENT) }
}

extension FileError: CustomStringConvertible {
    package var description: String { "\(path.printable(limit: 1_000))\(": \(reason.text)".printable(limit: 1_000))" }
}

extension String {
    /// On one line: control characters become `?`, and what is beyond `limit` characters becomes `…`.
    package func printable(limit: Int) -> String {
        let isLong = unicodeScalars.count > limit
        var result = String.UnicodeScalarView()
        for scalar in unicodeScalars.prefix(limit) {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .format: result.append("?")
            default: result.append(scalar)
            }
        }
        return String(result) + (isLong ? "…" : "")
    }
}

extension FileError.Reason {
    fileprivate var text: String {
        switch self {
        case .system(let call, let code): systemText(call, code)
        case .notRegularFile: "is not a regular file"
        case .tooLarge(let bytes, let limit): "has \(bytes) bytes, more than the \(limit) that such a file can have"
        case .truncatedWhileReading(let position):
            "ended at byte \(position) while it was being read; another program changed it"
        case .notADirectory(let flag): "\(flag) needs a directory, and this is a file"
        case .sizeMismatch(let expected, let found): "is damaged: \(found) bytes, expected \(expected)"
        case .checksumMismatch(let expected, let found):
            "is damaged: CRC-32 \(hexadecimal(found)), expected \(hexadecimal(expected))"
        }
    }

    private func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    private func systemText(_ call: String, _ code: Int32) -> String {
        let message = SystemErrors.text(of: code)
        let advice =
            switch code {
            case ENOSPC, EDQUOT: "; free space there or choose another directory"
            case EFBIG: "; raise the limit on file size (ulimit -f)"
            case EACCES, EPERM:
                isReading(call)
                    ? "; change its permissions" : "; choose a directory that can be written, or change its permissions"
            case EROFS: "; choose a directory that can be written"
            case ENOENT, ESTALE: "; was it removed or moved?"
            case ENOTDIR: "; a part of this path is a file, not a directory"
            case ENAMETOOLONG: "; choose a shorter path"
            default: ""
            }
        return "\(call == SystemCall.openForReading ? "open" : call) failed: \(message)\(advice)"
    }

    private func isReading(_ call: String) -> Bool {
        [SystemCall.openForReading, "read", "opendir", "readdir", "stat"].contains(call)
    }
}
