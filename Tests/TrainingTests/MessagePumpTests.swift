import DataParallel
import Runs
import Testing
import Training

@Suite("The message pump")
struct MessagePumpTests {
    /// A message that is over after so many looks, or fails at one of them.
    private final class Message: InFlight {
        var looks = 0
        var isBusy = true
        var waits = 0
        let failsAt: Int?

        init(failsAt: Int? = nil) { self.failsAt = failsAt }

        func progress() throws {
            looks += 1
            if looks == failsAt { throw Failure() }
        }
        func finish() throws {
            waits += 1
            isBusy = false
        }
    }

    private struct Failure: Error {}
    private struct Later: Error {}

    /// Looks often enough for one that is not left out for coming too soon.
    private func look(_ pump: MessagePump, until isDone: () -> Bool) {
        while !isDone() { pump.look() }
    }

    @Test("looks after what is under way, and waits for it alone")
    func busy() throws {
        let (first, second) = (Message(), Message())
        let pump = MessagePump(PhaseClock())
        pump.add([first])
        pump.add([second])
        second.isBusy = false
        look(pump) { first.looks == 3 }
        #expect(second.looks == 0)
        try pump.finish()
        #expect(first.waits == 1 && second.waits == 0)
    }

    @Test("a message that many micro-batches share is looked after once, however many they are")
    func shared() throws {
        let (shared, other) = (Message(), Message())
        let pump = MessagePump(PhaseClock())
        pump.add([shared, shared, other, shared])
        pump.add([other])
        look(pump) { shared.looks > 0 }
        #expect(shared.looks == 1 && other.looks == 1)
    }

    @Test("keeps what failed until all are done, and does nothing more about messages")
    func failure() throws {
        let message = Message(failsAt: 2)
        let pump = MessagePump(PhaseClock())
        pump.add([message])
        look(pump) { message.looks == 2 }
        for _ in 0..<1000 { pump.look() }
        #expect(message.looks == 2)
        var attempts = 0
        pump.attempt {
            attempts += 1
            throw Later()
        }
        #expect(attempts == 0)
        #expect(throws: Failure.self) { try pump.throwFailure() }
        // Told once.
        try pump.throwFailure()
        pump.attempt { attempts += 1 }
        #expect(attempts == 1)
    }

    @Test("an attempt that fails is told later, the first of them")
    func attempts() throws {
        let pump = MessagePump(PhaseClock())
        pump.attempt { throw Failure() }
        pump.attempt { throw Later() }
        #expect(throws: Failure.self) { try pump.throwFailure() }
    }
}
