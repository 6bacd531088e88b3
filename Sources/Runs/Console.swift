import Foundation
import Glibc
import Synchronization

/// Text for the person at the terminal. That it cannot be written is never the run's business: a reader that went away, a
/// full disk behind the output or a terminal that was closed costs the text and nothing else.
package enum Console {
    private static let output = Stream(STDOUT_FILENO)
    private static let errors = Stream(STDERR_FILENO)

    /// A line on standard error.
    package static func error(_ message: String) { errors.write("umae-dist: \(message)\n") }

    /// Something to know that ends nothing; not on standard output, which may be a recipe or JSON.
    package static func note(_ message: String) { errors.write("note: \(message)\n") }

    /// A line on standard output, written at once: a run that is killed has said everything it knew.
    package static func print(_ text: String) { output.write(text + "\n") }

    /// Text on standard output as it is.
    package static func write(_ text: String) { output.write(text) }

    /// Puts /dev/null in the place of standard streams that were closed by whoever started this process. The next file
    /// that is opened would otherwise get their number, and what is said to people would be written into it.
    package static func openClosedStreams() {
        for stream in STDIN_FILENO...STDERR_FILENO where fcntl(stream, F_GETFD) == -1 {
            _ = unsafe open("/dev/null", O_RDWR)
        }
    }
}

extension Console {
    /// Whether lines can be renewed: a person's terminal that knows how is behind standard output.
    package static var isTerminal: Bool {
        let type = ProcessInfo.processInfo.environment["TERM"] ?? ""
        return !type.isEmpty && type != "dumb" && terminal != nil
    }

    /// Columns of the terminal as it is now; nil if there is none behind standard output.
    package static var width: Int? {
        guard let terminal else { return nil }
        var size = winsize()
        // mpirun's pseudo-terminals have no size; the one behind mpirun has.
        let file = unsafe open(terminal, O_RDONLY | O_NOCTTY | O_CLOEXEC)
        defer { if file >= 0 { close(file) } }
        let known = unsafe ioctl(file >= 0 ? file : STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return known ? Int(size.ws_col) : usualWidth
    }

    private static var usualWidth: Int { 80 }

    /// The terminal behind standard output. mpirun gives every rank a pseudo-terminal and passes on what is written
    /// there, so under it the question is where mpirun, the parent, writes to.
    private static let terminal: String? = {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        let isRank = ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"] != nil
        let target = try? FileManager.default.destinationOfSymbolicLink(
            atPath: isRank ? "/proc/\(getppid())/fd/1" : "/proc/self/fd/1")
        guard isRank else { return target ?? "/dev/tty" }
        return target.flatMap { $0.hasPrefix("/dev/pts/") || $0.hasPrefix("/dev/tty") ? $0 : nil }
    }()
}

/// A stream that people read.
@safe
private final class Stream: Sendable {
    private let descriptor: Int32
    /// Milliseconds that a reader may take before text is dropped: a pager or a stopped terminal reads again some time, and
    /// the run does not wait for it. Once it has waited that long, it does not wait again until the stream takes text.
    private static var patience: Int32 { 5000 }
    private let isStuck = Atomic(false)
    /// What a pipe that is ready takes without blocking, `PIPE_BUF`.
    private static var pieceSize: Int { 4096 }

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    func write(_ text: String) {
        let bytes = Array(text.utf8)
        unsafe bytes.withUnsafeBytes { buffer in
            var rest = unsafe buffer[...]
            while unsafe !rest.isEmpty && isReady {
                let piece = unsafe UnsafeRawBufferPointer(rebasing: rest.prefix(Self.pieceSize))
                let written = unsafe Glibc.write(descriptor, piece.baseAddress, piece.count)
                if written > 0 {
                    unsafe rest = rest.dropFirst(written)
                } else if errno != EINTR && errno != EAGAIN {
                    return
                }
            }
        }
    }

    /// Waits until the stream takes more, at most as long as patience goes; signals do not shorten that.
    private var isReady: Bool {
        var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let patience = isStuck.load(ordering: .relaxed) ? 0 : Self.patience
        let end = ContinuousClock.now + .milliseconds(Int(patience))
        var ready: Int32
        repeat { ready = unsafe poll(&query, 1, patience) } while ready < 0 && errno == EINTR && .now < end
        isStuck.store(ready == 0, ordering: .relaxed)
        return ready > 0 && query.revents & Int16(POLLNVAL) == 0
    }
}
