import Foundation
import Glibc

/// Text for the person at the terminal.
enum Console {
    static func error(_ message: String) {
        FileHandle.standardError.write(Data("umae-dist: \(message)\n".utf8))
    }

    /// Something to know that ends nothing; not on standard output, which may be a recipe or JSON.
    static func note(_ message: String) {
        FileHandle.standardError.write(Data("note: \(message)\n".utf8))
    }

    /// Whether a person's terminal is behind standard output. mpirun gives every rank a pseudo-terminal and passes on
    /// what is written there, so under it the question is where mpirun, the parent, writes to.
    static var isTerminal: Bool {
        guard isatty(STDOUT_FILENO) == 1 else { return false }
        guard ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil else { return true }
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(getppid())/fd/1")
        return target.map { $0.hasPrefix("/dev/pts/") || $0.hasPrefix("/dev/tty") } ?? false
    }

    static func print(_ text: String) {
        // Written at once: a run that is killed has said everything it knew.
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }
}
