package import Communication
import Foundation

/// What this rank did when, for a trace viewer: the phases of its steps, and the messages under way meanwhile.
///
/// Spans are kept in memory that is reserved at the start; once it is full the oldest are overwritten. One thread writes.
package final class Timeline {
    /// What a span shows, and the line it stands on.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case data, forward, backward, communication, optimizer, bucket, exchange, save

        var name: String { self == .communication ? "waiting for messages" : "\(self)" }
        /// Messages run beside the phases.
        var track: Int { self == .bucket ? 1 : self == .exchange ? 2 : self == .save ? 3 : 0 }
        static let tracks = ["step", "gradient buckets", "feature exchange", "saving"]
    }

    struct Span: Equatable, Sendable {
        let kind: Kind
        /// Nanoseconds of this host's clock.
        let start: Int64
        let end: Int64
        let step: Int32
        /// Of the message, 0 for phases.
        let bytes: Int32
    }

    /// The update under way.
    package var step = 0
    private var spans: [Span] = []
    private var next = 0
    private let capacity: Int
    private let origin = ContinuousClock.now

    /// - Parameter capacity: spans that are kept.
    package init(capacity: Int = 1 << 16) {
        self.capacity = capacity
        spans.reserveCapacity(capacity)
    }

    package func add(_ kind: Kind, from start: ContinuousClock.Instant, to end: ContinuousClock.Instant, bytes: Int = 0)
    {
        let span = Span(
            kind: kind, start: nanoseconds(start), end: nanoseconds(end), step: Int32(clamping: step),
            bytes: Int32(clamping: bytes))
        if spans.count < capacity { spans.append(span) } else { spans[next % capacity] = span }
        next += 1
    }

    private func nanoseconds(_ instant: ContinuousClock.Instant) -> Int64 {
        let (seconds, attoseconds) = (instant - origin).components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    /// The spans of all ranks in rank order, their times on rank 0's clock. Collective.
    func gathered(_ communicator: any Communicator) throws -> [[Span]] {
        let shift = try clockDifference(communicator)
        let shifted = spans.map {
            Span(kind: $0.kind, start: $0.start - shift, end: $0.end - shift, step: $0.step, bytes: $0.bytes)
        }
        var own: [UInt8] = []
        own.reserveCapacity(shifted.count * 33)
        for span in shifted {
            own.append(span.kind.rawValue)
            for value in [span.start, span.end, Int64(span.step), Int64(span.bytes)] {
                for byte in 0..<8 { own.append(UInt8(truncatingIfNeeded: value >> Int64(8 * byte))) }
            }
        }
        return try communicator.allGather(own).map(Self.decode)
    }

    private static func decode(_ bytes: [UInt8]) -> [Span] {
        stride(from: 0, to: bytes.count, by: 33).compactMap { start in
            func number(_ index: Int) -> Int64 {
                (0..<8).reduce(0) { $0 | Int64(bytes[start + 1 + 8 * index + $1]) << Int64(8 * $1) }
            }
            guard let kind = Kind(rawValue: bytes[start]) else { return nil }
            return Span(
                kind: kind, start: number(0), end: number(1), step: Int32(clamping: number(2)),
                bytes: Int32(clamping: number(3)))
        }
    }

    /// This rank's clock less rank 0's, in nanoseconds: all read theirs when they leave a barrier; the median of several.
    private func clockDifference(_ communicator: any Communicator) throws -> Int64 {
        var differences: [Double] = []
        for _ in 0..<11 {
            try communicator.barrier()
            var times = [Double](repeating: 0, count: communicator.size)
            times[communicator.rank] = Double(nanoseconds(.now))
            try communicator.allReduce(&times, .sum)
            differences.append(times[communicator.rank] - times[0])
        }
        return Int64(differences.sorted()[differences.count / 2])
    }

    /// Spans of all ranks in the Trace Event Format that chrome://tracing and Perfetto read: a process for each rank, a
    /// line for its phases and one for each sort of message.
    static func json(_ ranks: [[Span]]) throws -> Data {
        struct Event: Encodable {
            var name: String
            var cat: String?
            let ph: String
            var ts: Double?
            var dur: Double?
            let pid: Int
            let tid: Int
            let args: [String: String]
        }
        struct Trace: Encodable {
            let displayTimeUnit = "ms"
            let traceEvents: [Event]
        }
        let first = ranks.joined().map(\.start).min() ?? 0
        var events: [Event] = []
        for (rank, spans) in ranks.enumerated() {
            events.append(Event(name: "process_name", ph: "M", pid: rank, tid: 0, args: ["name": "rank \(rank)"]))
            for (track, name) in Kind.tracks.enumerated() where spans.contains(where: { $0.kind.track == track }) {
                events.append(Event(name: "thread_name", ph: "M", pid: rank, tid: track, args: ["name": name]))
            }
            for span in spans {
                var arguments = ["step": "\(span.step)"]
                if span.bytes > 0 { arguments["bytes"] = "\(span.bytes)" }
                events.append(
                    Event(
                        name: span.kind.name, cat: Kind.tracks[span.kind.track], ph: "X",
                        ts: Double(span.start - first) / 1000, dur: Double(span.end - span.start) / 1000, pid: rank,
                        tid: span.kind.track, args: arguments))
            }
        }
        return try JSONEncoder().encode(Trace(traceEvents: events))
    }
}
