import Foundation
import Glibc
internal import Host

/// A file in the Trace Event Format that chrome://tracing and Perfetto read: a process for each rank, a line for its phases
/// and one for each sort of message. It is written a rank at a time, and appears under its name when it is whole.
final class TraceFile {
    private let path: String
    /// The file that is written, and renamed to `path` in the end; `path` itself if that is a link or no file (a pipe).
    private let temporary: String
    /// Nanoseconds that count as zero.
    private let origin: Int64
    private var file: Int32
    private var isFirst = true

    private struct Event: Encodable {
        var name: String
        var cat: String?
        let ph: String
        var ts: Double?
        var dur: Double?
        let pid: Int
        let tid: Int
        let args: [String: String]
    }

    init(path: String, origin: Int64) throws {
        self.path = path
        self.origin = origin
        var status = stat()
        let isPlain = unsafe lstat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
        temporary = isPlain ? "\(path).\(getpid()).partial" : path
        file = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw failure() }
        write(#"{"displayTimeUnit":"ms","traceEvents":["#)
    }

    deinit {
        guard file >= 0 else { return }
        Glibc.close(file)
        if temporary != path { unsafe unlink(temporary) }
    }

    func add(_ spans: [Timeline.Span], ofRank rank: Int) throws {
        try write(Event(name: "process_name", ph: "M", pid: rank, tid: 0, args: ["name": "rank \(rank)"]))
        for (track, name) in Timeline.Kind.tracks.enumerated() where spans.contains(where: { $0.kind.track == track }) {
            try write(Event(name: "thread_name", ph: "M", pid: rank, tid: track, args: ["name": name]))
        }
        for span in spans {
            var arguments = ["step": "\(span.step)"]
            if span.bytes > 0 { arguments["bytes"] = "\(span.bytes)" }
            try write(
                Event(
                    name: span.kind.name, cat: Timeline.Kind.tracks[span.kind.track], ph: "X",
                    ts: Double(span.start - origin) / 1000, dur: Double(span.end - span.start) / 1000, pid: rank,
                    tid: span.kind.track, args: arguments))
        }
        try flush()
    }

    /// Writes the end, and gives the file its name.
    func close() throws {
        write("]}\n")
        try flush()
        guard Glibc.close(file) == 0 else { throw failure() }
        file = -1
        if temporary != path { guard unsafe rename(temporary, path) == 0 else { throw failure() } }
    }

    private let encoder = JSONEncoder()
    private var buffer = Data()

    private func write(_ event: Event) throws {
        if !isFirst { buffer.append(UInt8(ascii: ",")) }
        isFirst = false
        buffer.append(try encoder.encode(event))
        if buffer.count > 1 << 20 { try flush() }
    }

    private func write(_ text: String) { buffer.append(contentsOf: text.utf8) }

    private func flush() throws {
        while !buffer.isEmpty {
            let written = unsafe buffer.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { throw failure() }
            buffer.removeFirst(written)
        }
    }

    private func failure() -> TimelineError {
        TimelineError(
            description: "the timeline cannot be written to \(path): \(SystemErrors.text(of: errno))")
    }
}

/// A timeline that could not be written.
package struct TimelineError: Error, CustomStringConvertible {
    package let description: String
}
