import Glibc
import Synchronization

/// What happens when the system refuses memory, for which there is no way to go on: one line, and the process ends.
package enum RefusedMemory {
    private static let handler = Mutex<(@Sendable (String) -> Never)?>(nil)

    /// Has `end` called with the line to say, on whichever thread was refused; it may have to end other ranks too. Without
    /// it the line goes to standard error and the exit code is 1.
    package static func whenRefused(_ end: @escaping @Sendable (String) -> Never) { handler.withLock { $0 = end } }

    /// - Parameter bytes: what was asked for; nil if that is more than can be counted.
    static func end(bytes: Int?) -> Never {
        let amount = bytes.map { "\($0 >> 20) MiB" } ?? "more memory than there can be"
        let message =
            "the system refused \(bytes == 0 ? "memory" : amount): a limit of this process (ulimit -v), of its control "
            + "group or of the host is reached; --dry-run prints what a rank needs"
        if let handler = handler.withLock({ $0 }) { handler(message) }
        let line = Array("\(message)\n".utf8)
        _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(1)
    }
}
