package import Communication

/// What this rank did when, for a trace viewer: the phases of its steps, and the messages under way meanwhile.
///
/// Spans are kept in memory that is reserved at the start; once it is full the oldest are overwritten. One thread writes.
package final class Timeline {
    /// What a span shows, and the line it stands on.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case data, forward, backward, communication, optimizer, bucket, exchange

        var name: String { self == .communication ? "waiting for messages" : "\(self)" }
        /// Messages run beside the phases.
        var track: Int { self == .bucket ? 1 : self == .exchange ? 2 : 0 }
        static let tracks = ["step", "gradient buckets", "feature exchange"]
    }

    struct Span: Equatable, Sendable {
        let kind: Kind
        /// Nanoseconds of this host's clock.
        let start: Int64
        let end: Int64
        let step: Int32
        /// The message's size; 0 for phases.
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

    /// This rank's spans as bytes, their times less `shift`.
    private func encoded(shift: Int64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(spans.count * Self.spanSize)
        for span in spans {
            bytes.append(span.kind.rawValue)
            for value in [span.start - shift, span.end - shift, Int64(span.step), Int64(span.bytes)] {
                for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> Int64(8 * byte))) }
            }
        }
        return bytes
    }

    private static var spanSize: Int { 33 }

    private static func decode(_ bytes: [UInt8]) -> [Span] {
        stride(from: 0, to: bytes.count, by: spanSize).compactMap { start in
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

    /// Writes one file for all ranks. Collective; rank 0 writes, a few ranks' spans at a time.
    package func write(to path: String, _ communicator: any Communicator) throws {
        // Times are shown on rank 0's clock, from the first of all spans on.
        let shift = try clockDifference(communicator)
        var first = [spans.map { Double($0.start - shift) }.min() ?? 0x1p62]
        try communicator.allReduce(&first, .minimum)
        let file = try communicator.agree(during: .writingTimeline) {
            communicator.rank == 0 ? try TraceFile(path: path, origin: Int64(first[0])) : nil
        }
        try communicator.gather(encoded(shift: shift), during: .writingTimeline) { rank, bytes in
            try file?.add(Self.decode(bytes), ofRank: rank)
        }
        try communicator.agree(during: .writingTimeline) { try file?.close() }
    }
}
