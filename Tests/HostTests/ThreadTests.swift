import Glibc
import Host
import Synchronization
import Testing

@Suite("Threads and locks")
struct ThreadTests {
    @Test("a thread runs its body once, and is waited for as often as one likes")
    func joined() throws {
        let runs = Atomic<Int>(0)
        let thread = try BackgroundThread("a thread") { runs.add(1, ordering: .relaxed) }
        thread.join()
        thread.join()
        let count = runs.load(ordering: .relaxed)
        #expect(count == 1)
    }

    @Test("a thread that nobody waits for ends by itself, and may drop its own last reference")
    func detached() throws {
        final class Owner: @unchecked Sendable {
            var thread: BackgroundThread?
            let ended: Ended
            init(_ ended: Ended) { self.ended = ended }
            // On the thread itself, which is the last to hold it.
            deinit {
                thread?.join()
                ended.value.store(true, ordering: .releasing)
            }
        }
        final class Ended: Sendable { let value = Atomic<Bool>(false) }
        let ended = Ended()
        let gate = ConditionLock()
        let isOpen = Atomic<Bool>(false)
        do {
            let owner = Owner(ended)
            owner.thread = try BackgroundThread("a thread") {
                _ = owner
                gate.lock()
                while !isOpen.load(ordering: .acquiring) { gate.wait() }
                gate.unlock()
            }
        }
        let endedEarly = ended.value.load(ordering: .acquiring)
        #expect(!endedEarly)
        gate.lock()
        isOpen.store(true, ordering: .releasing)
        gate.broadcast()
        gate.unlock()
        while !ended.value.load(ordering: .acquiring) { usleep(1_000) }
    }

    @Test("a wait with a deadline ends without a signal")
    func deadline() {
        let lock = ConditionLock()
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        let deadline = Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec) + 20_000_000
        lock.lock()
        // A wait may end early.
        repeat {
            lock.wait(until: deadline)
            unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        } while Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec) < deadline
        lock.unlock()
    }

    @Test("the host's name is the one that the system gives")
    func name() {
        var system = utsname()
        unsafe uname(&system)
        let name = unsafe withUnsafeBytes(of: &system.nodename) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        #expect(HostName.current == name)
    }
}
