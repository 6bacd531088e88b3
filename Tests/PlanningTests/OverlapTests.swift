import Planning
import Testing

@Suite("What computing does not hide of messages is exposed")
struct OverlapTests {
    private func round(link: Double = 0, latency: Double = 0, handling: Double = 0, mean: Double = 0) -> RoundCost {
        var cost = RoundCost()
        (cost.link, cost.latency, cost.handling, cost.meanHandling) = (link, latency, handling, mean)
        return cost
    }

    private func exposed(_ intervals: (Double, [[RoundCost]])...) -> Double {
        Overlap.exposedSeconds(intervals.map { Overlap.Interval(seconds: $0.0, posted: $0.1) })
    }

    @Test("computing alone exposes nothing")
    func nothing() { #expect(exposed((1, []), (2, [])) == 0 && exposed() == 0) }

    @Test("two messages share a link: the second starts when the first has left, and what remains is waited for")
    func sharedLink() {
        let message = [round(link: 1.5, latency: 0.25, handling: 0.2, mean: 0.1)]
        // The first leaves at 1, arrives at 2.75 and is taken in at 3, when the rank looks: 0.1 of its time. The second
        // leaves at 2.5, arrives at 4.25, and is taken in by 4.45 with all ranks waiting.
        #expect(abs(exposed((1, [message]), (1, [message]), (1, [])) - 1.45) < 1e-12)
    }

    @Test("a round begins only when the rank looks after the one before it")
    func progress() {
        let message = [round(link: 0.1), round(link: 0.1)]
        #expect(abs(exposed((1, [message]), (1, [])) - 0.1) < 1e-12)
        #expect(exposed((1, [message]), (1, []), (1, [])) == 0)
        // All at the end: both rounds are waited for.
        #expect(abs(exposed((2, [message])) - 0.2) < 1e-12)
    }

    @Test("each operation under way is one look at all of them")
    func looks() {
        let local = [round(), round()]
        let alone = [round(link: 0.5)]
        // At 1 both are posted and each is asked for once: time enough for both local rounds.
        #expect(abs(exposed((1, [local, alone]), (1, [])) - 0) < 1e-12)
        // Alone it has gone one round on at 1 and another at 2.
        let longer = [round(), round(link: 0.25), round(link: 0.5)]
        #expect(abs(exposed((1, [longer]), (1, [])) - 0.5) < 1e-12)
    }

    @Test("buffers that hold little leave the rest to the next look, and to the end")
    func window() {
        let message = [round(link: 2.5, latency: 0.25, handling: 0.2, mean: 0.1)]
        func exposed(_ window: Double) -> Double {
            Overlap.exposedSeconds(
                [
                    Overlap.Interval(seconds: 1, posted: [message]), Overlap.Interval(seconds: 1),
                    Overlap.Interval(seconds: 1),
                ], window: window)
        }
        // At 1, 2 and 3 the network gets half a second's worth each; at the end the remaining 1 s, behind the last half.
        #expect(abs(exposed(0.5) - (1.5 + 0.25 + 0.2)) < 1e-12)
        // As much as can travel in an interval: 0.5 s are left at 3.
        #expect(abs(exposed(1) - (0.5 + 0.25 + 0.2)) < 1e-12 && abs(exposed(.infinity) - 0.95) < 1e-12)
        // Nothing leaves while the rank computes.
        #expect(abs(exposed(0) - 2.95) < 1e-12)
        // Two operations share what the buffers hold: of 2.4 s half a second travels while the rank computes.
        let two = [round(link: 1.2)]
        let shared = Overlap.exposedSeconds(
            [Overlap.Interval(seconds: 1, posted: [two, two]), Overlap.Interval(seconds: 1)], window: 0.5)
        #expect(abs(shared - (2.4 - 0.5)) < 1e-12)
    }

    @Test("a rank's own copy is made at once and never hidden")
    func ownCopy() {
        var copy = round(handling: 0.3, mean: 0.3)
        copy.isOwnCopy = true
        #expect(abs(exposed((1, [[copy]]), (1, [])) - 0.3) < 1e-12)
        #expect(abs(exposed((1, [[copy, round(link: 0.2)]]), (1, [])) - 0.3) < 1e-12)
    }

    @Test("exposed is at least what a rank does itself and at most everything one after another")
    func bounds() {
        var state: UInt64 = 42
        func next() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 40) / Double(1 << 24)
        }
        for _ in 0..<200 {
            let intervals = (0..<6).map { _ in
                Overlap.Interval(
                    seconds: next(),
                    posted: (0..<Int(next() * 3)).map { _ in
                        (0..<1 + Int(next() * 4)).map { _ in
                            let handling = next() * 0.1
                            return round(
                                link: next() < 0.5 ? 0 : next(), latency: next() * 0.01, handling: handling,
                                mean: handling / 2)
                        }
                    })
            }
            let costs = intervals.flatMap(\.posted).flatMap { $0 }
            let exposed = Overlap.exposedSeconds(intervals)
            #expect(exposed >= costs.reduce(0) { $0 + $1.meanHandling } - 1e-9)
            #expect(exposed <= costs.reduce(0) { $0 + $1.seconds } + 1e-9)
        }
    }
}
