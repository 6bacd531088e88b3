import Glibc
import Host
import Synchronization
import TestSupport
import Testing

/// Processes are stood for by shares that open the file one by one, each with a lock of its own.
@Suite("Memory that processes of a host share")
struct HostShareTests {
    private func key(_ file: UInt64 = 7, count: Int = 10_000) -> HostShare.Key {
        HostShare.Key(device: 1, file: file, changed: -3, count: count)
    }

    private func bytes(_ file: MappedFile) -> [UInt8] { (0..<file.count).map { unsafe file.address[$0] } }

    @Test("what one makes the others find, each content apart")
    func madeOnce() throws {
        let first = try #require(HostShare())
        let second = try #require(HostShare(first.address))
        for (number, count) in [1, 4096, 10_000].enumerated() {
            let pattern = patternBytes(count, salt: number)
            let made = first.content(key(UInt64(number), count: count)) { span in
                for index in pattern.indices { span[index] = pattern[index] }
            }
            #expect(made.map(bytes) == pattern)
        }
        for (number, count) in [1, 4096, 10_000].enumerated() {
            let found = second.content(key(UInt64(number), count: count)) { _ in Issue.record("made again") }
            #expect(found.map(bytes) == patternBytes(count, salt: number))
        }
    }

    @Test("who comes while it is made waits for it")
    func concurrently() throws {
        let first = try #require(HostShare())
        let makers = Mutex(0)
        let wrong = Mutex(0)
        let key = key()
        let threads = try (0..<6).map { number in
            let address = first.address
            return try BackgroundThread("rank \(number)") {
                let share = HostShare(address)
                let content = share.flatMap { share in
                    share.content(key) { span in
                        makers.withLock { $0 += 1 }
                        for index in 0..<span.count {
                            span[index] = UInt8(truncatingIfNeeded: index)
                            if index.isMultiple(of: 1000) { sched_yield() }
                        }
                    }
                }
                let isRight = content.map { (content) in
                    (0..<10_000).allSatisfy { unsafe content.address[$0] == UInt8(truncatingIfNeeded: $0) }
                }
                if isRight != true { wrong.withLock { $0 += 1 } }
            }
        }
        for thread in threads { thread.join() }
        #expect(makers.withLock { $0 } == 1 && wrong.withLock { $0 } == 0)
    }

    @Test("where one fails the others do it for themselves, and do not wait")
    func failing() throws {
        struct Damaged: Error {}
        let first = try #require(HostShare())
        let second = try #require(HostShare(first.address))
        #expect(throws: Damaged.self) { try first.content(key()) { _ in throw Damaged() } }
        for share in [first, second] {
            #expect(share.content(key()) { _ in Issue.record("made after a failure") } == nil)
        }
        // What is made after it is shared all the same.
        #expect(second.content(key(8)) { $0[9] = 5 } != nil)
        #expect(first.content(key(8)) { _ in }.map { unsafe $0.address[9] } == 5)
    }

    @Test("what is larger than the memory that is left is not begun")
    func tooLarge() throws {
        let share = try #require(HostShare())
        #expect(share.content(key(count: 1 << 50)) { _ in Issue.record("begun") } == nil)
    }

    @Test("what may take a part of the memory alone is not begun beyond it, by any of them")
    func partOfMemory() throws {
        let first = try #require(HostShare())
        let second = try #require(HostShare(first.address))
        #expect(first.content(key(), ofMemory: 1 << 40) { _ in Issue.record("begun") } == nil)
        #expect(second.content(key(), ofMemory: 1) { _ in Issue.record("begun by another") } == nil)
        // Together, not each.
        let half = HostMemory().least / 2
        #expect(first.content(key(1), ofMemory: half / 40_000) { $0[0] = 1 } != nil)
        #expect(second.content(key(2, count: 79_000), ofMemory: half / 40_000) { _ in Issue.record("begun") } == nil)
    }

    @Test("a file that is not the one meant is not taken")
    func anotherFile() throws {
        let first = try #require(HostShare())
        let address = first.address
        #expect(
            HostShare(HostShare.Address(process: address.process, descriptor: address.descriptor, mark: 1)) == nil)
        #expect(HostShare(HostShare.Address(process: address.process, descriptor: 1, mark: address.mark)) == nil)
        #expect(HostShare(HostShare.Address(process: 0, descriptor: 0, mark: 0)) == nil)
    }
}
