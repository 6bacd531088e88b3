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

    /// Where laps are shown too, if anywhere.
    package let timeline: Timeline?

    package init(timeline: Timeline? = nil) {
        self.timeline = timeline
        last = clock.now
    }

    /// Time since the last call belongs to `phase`.
    package func lap(_ phase: Phase) { lap(phase, until: clock.now) }

    /// Time from the last call to `end`, which is not before it, belongs to `phase`.
    package func lap(_ phase: Phase, until end: ContinuousClock.Instant) {
        seconds[phase.rawValue] += (end - last) / .seconds(1)
        timeline?.add(phase.kind, from: last, to: end)
        last = end
    }

    /// Forgets everything and starts at now.
    package func reset() {
        for index in seconds.indices { seconds[index] = 0 }
        last = clock.now
    }

    package subscript(phase: Phase) -> Double { seconds[phase.rawValue] }
}
