/// Attributes the wall time of a step to its phases. Reading the clock takes some 30 ns.
package final class PhaseClock {
    package enum Phase: Int, CaseIterable, Sendable {
        case data, forward, backward, communication, optimizer

        package var name: String { "\(self)" }
    }

    private let clock = ContinuousClock()
    private var last: ContinuousClock.Instant
    private var seconds = [Double](repeating: 0, count: Phase.allCases.count)

    package init() { last = clock.now }

    /// Time since the last call belongs to `phase`.
    package func lap(_ phase: Phase) {
        let now = clock.now
        seconds[phase.rawValue] += (now - last) / .seconds(1)
        last = now
    }

    /// Forgets everything and starts at now.
    package func reset() {
        for index in seconds.indices { seconds[index] = 0 }
        last = clock.now
    }

    package subscript(phase: Phase) -> Double { seconds[phase.rawValue] }
}
