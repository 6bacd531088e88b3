/// Messages under way while a rank computes.
///
/// Open MPI makes progress only inside its calls, and the program calls it between operations of its own, several times in
/// an interval of computing, at whose end new operations are posted. At such a look each operation under way is asked for
/// once, which lets every one of them go on to its next round if what this round waits for has arrived. Bytes of posted
/// rounds travel meanwhile, one round's after another's over the node's link: all of them where the network needs no core
/// for it, and with TCP as many as its buffers took at the last look. What a rank has to copy and add is its own work, and
/// holds its computing up.
package struct Overlap: Sendable {
    /// Computing, at whose end operations are posted.
    package struct Interval: Sendable {
        package var seconds: Double
        /// The rounds of each operation.
        package var posted: [[RoundCost]]
        /// At messages, evenly, the last at the end.
        package var looks: Int

        package init(seconds: Double, posted: [[RoundCost]] = [], looks: Int = 1) {
            self.seconds = seconds
            self.posted = posted
            self.looks = looks
        }
    }

    private struct Operation {
        let rounds: [RoundCost]
        var index = 0
        /// Seconds of the link that this round's bytes still need, once the network gets them.
        var left = 0.0
        /// When what the network got has arrived.
        var arrival = 0.0

        var isDone: Bool { index == rounds.count }
        var round: RoundCost { rounds[index] }
    }

    private var now = 0.0
    private var linkIsFree = 0.0
    private var underWay: [Operation] = []
    /// Seconds of work that the link has at most when a look ends; unlimited once the rank does nothing but look.
    private var window: Double

    private init(window: Double) { self.window = window }

    /// Seconds that the intervals and the operations posted in them take beyond the intervals themselves: what is
    /// exposed.
    ///
    /// - Parameter window: seconds for which the link has work between two looks at most.
    package static func exposedSeconds(_ intervals: [Interval], window: Double = .infinity) -> Double {
        var state = Overlap(window: window)
        for interval in intervals {
            for look in 1...interval.looks {
                state.now += interval.seconds / Double(interval.looks)
                if look == interval.looks { interval.posted.forEach { state.post($0) } }
                state.look()
            }
        }
        state.waitForAll()
        return state.now - intervals.reduce(0) { $0 + $1.seconds }
    }

    private mutating func post(_ rounds: [RoundCost]) {
        underWay.append(Operation(rounds: rounds))
        start(underWay.count - 1)
    }

    /// Begins an operation's next round; copies within the rank are made at once.
    private mutating func start(_ index: Int) {
        while !underWay[index].isDone, underWay[index].round.isOwnCopy {
            now += underWay[index].round.handling
            underWay[index].index += 1
        }
        guard !underWay[index].isDone else { return }
        underWay[index].left = underWay[index].round.link
        underWay[index].arrival = now + underWay[index].round.latency
        handOver(index)
    }

    /// Gives the network what it takes of a round's bytes.
    private mutating func handOver(_ index: Int) {
        let begin = max(now, linkIsFree)
        let part = min(underWay[index].left, max(0, now + window - begin))
        guard part > 0 else { return }
        linkIsFree = begin + part
        underWay[index].left -= part
        underWay[index].arrival = linkIsFree + underWay[index].round.latency
    }

    private mutating func look() {
        underWay.removeAll(where: \.isDone)
        for _ in underWay.indices {
            for index in underWay.indices where !underWay[index].isDone {
                handOver(index)
                guard underWay[index].left == 0 && underWay[index].arrival <= now else { continue }
                now += underWay[index].round.meanHandling
                underWay[index].index += 1
                start(index)
            }
        }
    }

    private mutating func waitForAll() {
        window = .infinity
        underWay.removeAll(where: \.isDone)
        for index in underWay.indices { handOver(index) }
        while let next = underWay.indices.min(by: { underWay[$0].arrival < underWay[$1].arrival }) {
            now = max(now, underWay[next].arrival) + underWay[next].round.handling
            underWay[next].index += 1
            start(next)
            underWay.removeAll(where: \.isDone)
        }
    }
}
