/// Attributes the wall time of a step to its phases. Reading the clock takes some 30 ns.
package final class PhaseClock {
    package enum Phase: Int, CaseIterable, Sendable {
        case data, forward, backward, communication, optimizer

        package var name: String { "\(self)" }

        fileprivate var kind: Timeline.Kind {
            switch self {
            case .data: .data
            case .forward: .forward
            case .backward: .backward
            case .communication: .communication
            case .optimizer: .optimizer
            }
        }
    }

    private let clock = ContinuousClock()
    private var last: ContinuousClock.Instant
    private var seconds = [Double](repeating: 0, count: Phase.allCases.count)

    /// Gets a span for each stretch of a phase, if it is wanted.
    package let timeline: Timeline?

    package init(timeline: Timeline? = nil) {
        self.timeline = timeline
        last = clock.now
    }

    /// What time belongs to now. Before anything was entered, it is between two steps.
    private var phase = Phase.optimizer

    /// From now on time belongs to `phase`.
    package func enter(_ phase: Phase) {
        count(self.phase, until: clock.now)
        self.phase = phase
    }

    /// Time from `start` to now, in the middle of a phase, belongs to `other`.
    package func count(_ other: Phase, from start: ContinuousClock.Instant) {
        count(phase, until: start)
        count(other, until: clock.now)
    }

    /// Has `body` take time that belongs to `other`, in the middle of a phase.
    package func count<Result>(_ other: Phase, _ body: () throws -> Result) rethrows -> Result {
        count(phase, until: clock.now)
        defer { count(other, until: clock.now) }
        return try body()
    }

    private func count(_ phase: Phase, until end: ContinuousClock.Instant) {
        seconds[phase.rawValue] += (end - last) / .seconds(1)
        timeline?.add(phase.kind, from: last, to: end)
        last = end
    }

    /// Forgets everything and starts at now, in the same phase.
    package func reset() {
        for index in seconds.indices { seconds[index] = 0 }
        last = clock.now
    }

    package subscript(phase: Phase) -> Double { seconds[phase.rawValue] }
}
