/// Which ranks of a host have stalled, from what each of them shows; the rule alone, without clock and table.
package struct StallRule {
    /// What can be seen of one rank; times are in seconds before now.
    package struct Sign {
        package var operation = HostTable.Operation.computing
        /// Work under way that may rightly take long, if any.
        package var work: LongWork?
        /// Such work of others that this rank waits for, if any.
        package var awaited: LongWork?
        /// Since the last sign of life.
        package var silence = 0.0
        /// Since the rank last got on with anything.
        package var unchanged = 0.0
        /// Since its last work of that kind was over.
        package var sinceWork = Double.infinity

        package init() {}
    }

    /// Seconds that a rank may do one thing.
    package let timeout: Double

    package init(timeout: Double) { self.timeout = timeout }

    /// How many times as long as `timeout` ranks wait for work that they know may take long and cannot see: that of another
    /// host. It has a limit, since that host may be gone.
    package static var patience: Double { 10 }

    /// Ranks without a sign of life: stopped, or dead.
    package func isSilent(_ sign: Sign) -> Bool { sign.silence >= timeout }

    /// Whether a rank is fit to speak: one without a sign of life for a second or more, beyond a busy machine's delays, is
    /// not.
    package func isAlive(_ sign: Sign) -> Bool { sign.silence < max(1, timeout / 2) }

    /// How long each rank may go on as it is, in seconds.
    package func limits(_ signs: [Sign]) -> [Double] {
        let someoneWorks = signs.contains { $0.work != nil && !isSilent($0) }
        return signs.map { sign in
            if sign.work != nil { return .infinity }
            guard sign.operation != .computing else { return timeout }
            if someoneWorks { return .infinity }
            return sign.awaited == nil ? timeout : Self.patience * timeout
        }
    }

    /// The places of the ranks that have done one thing for longer than they may.
    package func stuck(_ signs: [Sign]) -> [Int] {
        // Whoever waits for ranks that get on waits for no stall, however far behind they are: on a busy host one may have
        // much less of the cores. Nor has whoever waited for work that is over waited in vain for longer than since then.
        let sinceProgress = signs.map { min($0.unchanged, $0.sinceWork) }.min() ?? .infinity
        return zip(signs, limits(signs)).enumerated().filter { _, pair in
            let (sign, limit) = pair
            return (sign.operation == .computing ? sign.unchanged : min(sign.unchanged, sinceProgress)) >= limit
        }.map(\.offset)
    }
}
