import Communication
import Testing

@Suite("A collective that is left before it is over")
struct CollectiveSlotTests {
    private final class Buffer {}

    @Test("what it reads and writes stays until it is over")
    func kept() throws {
        var isOver = false
        var sent: Buffer? = Buffer()
        var received: Buffer? = Buffer()
        weak let weakSent = sent
        weak let weakReceived = received
        func start(andForget: Bool) throws {
            let slot = CollectiveSlot()
            slot.begin(send: try #require(sent), receive: try #require(received)) { _, _ in isOver }
            #expect(try !slot.test())
            if !andForget {
                isOver = true
                try slot.wait()
            }
        }
        try start(andForget: true)
        (sent, received) = (nil, nil)
        #expect(weakSent != nil && weakReceived != nil)
        // Not over in time: it stays. Other tests of this process may have left some too.
        #expect(UnfinishedCollectives.finish(within: 0.01) >= 1)
        #expect(weakSent != nil && weakReceived != nil)
        isOver = true
        _ = UnfinishedCollectives.finish(within: 5)
        #expect(weakSent == nil && weakReceived == nil)

        (sent, received) = (Buffer(), Buffer())
        weak let weakNext = sent
        isOver = false
        try start(andForget: false)
        (sent, received) = (nil, nil)
        #expect(weakNext == nil, "kept although it was over")
    }
}
