import Communication
import Glibc
import Testing

@Suite("When a rank counts as stalled")
struct StallRuleTests {
    private let rule = StallRule(timeout: 10)

    private func sign(
        _ operation: HostTable.Operation, for unchanged: Double, work: LongWork? = nil, awaited: LongWork? = nil,
        silence: Double = 0.1, sinceWork: Double = .infinity
    ) -> StallRule.Sign {
        var sign = StallRule.Sign()
        sign.operation = operation
        sign.work = work
        sign.awaited = awaited
        sign.silence = silence
        sign.unchanged = unchanged
        sign.sinceWork = sinceWork
        return sign
    }

    @Test("who computes for longer than the timeout is stuck, and who waits for ranks of which none gets on")
    func stuck() {
        #expect(rule.stuck([sign(.computing, for: 9.9), sign(.allGather, for: 9.9)]) == [])
        #expect(rule.stuck([sign(.computing, for: 10), sign(.allGather, for: 9)]) == [0])
        #expect(rule.stuck([sign(.computing, for: 10), sign(.waitForSum, for: 12)]) == [0, 1])
        #expect(rule.stuck([sign(.allReduce, for: 10), sign(.waitForSum, for: 12)]) == [0, 1])
        // However long it is that one waits for another that is slower.
        #expect(rule.stuck([sign(.computing, for: 9.9), sign(.waitForSum, for: 1e6)]) == [])
        #expect(rule.stuck([sign(.allReduce, for: 9.9), sign(.waitForSum, for: 1e6)]) == [])
    }

    @Test("who saves has no limit, and neither has who waits meanwhile", arguments: LongWork.allCases)
    func longWork(_ work: LongWork) {
        #expect(rule.stuck([sign(.computing, for: 1e6, work: work), sign(.allGather, for: 1e6)]) == [])
        // Who hangs in computing meanwhile is found.
        let signs = [sign(.computing, for: 1e6, work: work), sign(.computing, for: 11), sign(.allGather, for: 1e6)]
        #expect(rule.stuck(signs) == [1])
    }

    @Test("who shows no sign of life does not save, whatever it was at")
    func silentWork() {
        let signs = [sign(.computing, for: 50, work: .saving, silence: 12), sign(.allGather, for: 12)]
        #expect(rule.isSilent(signs[0]) && !rule.isAlive(signs[0]) && rule.isAlive(signs[1]))
        #expect(rule.stuck(signs) == [1])
    }

    @Test("when the save is over, those who waited for it are given the whole time again")
    func afterWork() {
        let over = sign(.computing, for: 0.1, sinceWork: 0.1)
        #expect(rule.stuck([over, sign(.allGather, for: 1e6)]) == [])
        #expect(rule.stuck([sign(.broadcast, for: 12, sinceWork: 11), sign(.allGather, for: 1e6)]) == [0, 1])
        // Not those who computed all the while.
        #expect(rule.stuck([over, sign(.computing, for: 11)]) == [1])
    }

    @Test("who waits for a save of another host, which it cannot see, has a longer limit, but one")
    func otherHost() {
        let limit = 10 * StallRule.patience
        #expect(limit >= 50)
        #expect(rule.stuck([sign(.allGather, for: limit - 1, awaited: .saving)]) == [])
        #expect(rule.stuck([sign(.allGather, for: limit, awaited: .saving)]) == [0])
        // What is awaited excuses no computing.
        #expect(rule.stuck([sign(.computing, for: 11, awaited: .saving)]) == [0])
    }
}

@Suite("A rank's notes of what it does")
struct ProgressTests {
    private func table() throws -> HostTable {
        try #require(HostTable(path: nil, rank: 0, localRank: 0, localSize: 1))
    }

    /// Whether `action` counts as progress.
    private func isProgress(_ action: (HostTable) -> Void) throws -> Bool {
        let table = try table()
        let number = table.post(.startAllReduce, bytes: 8)
        #expect(number == 1)
        usleep(1000)
        let before = HostTable.now()
        action(table)
        return table.sign(of: 0, now: before).unchanged <= 0
    }

    @Test("a collective that is posted, one that is over, and a micro-batch are progress; nothing is none")
    func progress() throws {
        #expect(try !isProgress { _ in })
        #expect(try isProgress { $0.noteProgress() })
        #expect(try isProgress { _ = $0.post(.startAllGather, bytes: 8) })
        #expect(try isProgress { $0.complete(1) })
        // No collective is over.
        #expect(try !isProgress { $0.complete(0) })
    }

    @Test("long work is seen while it lasts, work within work too, and that it is over")
    func work() throws {
        let table = try table()
        #expect(table.sign(of: 0).work == nil && table.sign(of: 0).sinceWork == .infinity)
        let outer = table.beginWork(.saving)
        let inner = table.beginWork(.printing)
        #expect(table.sign(of: 0).work == .printing)
        table.endWork(returningTo: inner)
        #expect(table.sign(of: 0).work == .saving)
        table.endWork(returningTo: outer)
        #expect(table.sign(of: 0).work == nil && table.sign(of: 0).sinceWork < .infinity)
    }
}
