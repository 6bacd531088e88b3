import AllocationCounter
import Communication
import Foundation
import Testing

@Suite("Ranks of one host see what each is doing and has last done")
struct HostTableTests {
    private func table(_ path: String, rank: Int, localSize: Int = 2) throws -> HostTable {
        try #require(HostTable(path: path, rank: rank, localRank: rank, localSize: localSize))
    }

    private func freshPath() -> String { NSTemporaryDirectory() + "host-table-\(UUID())" }

    @Test("the last sixteen collectives of each rank, newest first, seen by the other")
    func ring() throws {
        let path = freshPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(HostTable.createFile(path: path))
        let (own, other) = (try table(path, rank: 0), try table(path, rank: 1))
        #expect(other.lastCollectives(of: 0, most: 100).isEmpty)
        for step in 1...20 {
            own.mark(step: step)
            own.begin(.allReduce, bytes: 100 + step)
            own.begin(.computing)
        }
        let seen = other.lastCollectives(of: 0, most: 100)
        #expect(seen.map(\.number) == Array((5...20).reversed()))
        #expect(seen.map(\.step) == Array((5...20).reversed()))
        #expect(seen.map(\.bytes) == (105...120).reversed())
        #expect(seen.allSatisfy { $0.operation == .allReduce && $0.duration != nil })
        #expect(other.lastCollectives(of: 1, most: 100).isEmpty)
        #expect(other.lastCollectives(of: 0, most: 3).map(\.number) == [20, 19, 18])
    }

    @Test("a file that is there already is another run's, and is not shared")
    func foreignFile() throws {
        let path = freshPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(HostTable.createFile(path: path))
        #expect(!HostTable.createFile(path: path))
        try FileManager.default.removeItem(atPath: path)
        // Nor is a link to somewhere followed, or a file made that nobody made on purpose.
        let target = freshPath()
        defer { try? FileManager.default.removeItem(atPath: target) }
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
        #expect(!HostTable.createFile(path: path) && !FileManager.default.fileExists(atPath: target))
        let (own, other) = (try table(target, rank: 0), try table(target, rank: 1))
        own.begin(.allReduce, bytes: 1)
        #expect(other.lastCollectives(of: 0, most: 1).isEmpty)
        #expect(!FileManager.default.fileExists(atPath: target))
    }

    @Test("what is under way says so, and a message behind the computation ends when it is found to have ended")
    func underWay() throws {
        let own = try table("/no/such/place", rank: 0, localSize: 1)
        let number = own.post(.startAllReduce, bytes: 8_400_000)
        own.begin(.allGather, bytes: 48)
        var last = own.lastCollectives(of: 0, most: 2)
        #expect(last.map(\.duration) == [nil, nil])
        own.begin(.computing)
        last = own.lastCollectives(of: 0, most: 2)
        #expect(last[0].duration != nil && last[1].duration == nil)
        usleep(20_000)
        own.begin(.waitForSum)
        own.complete(number)
        own.begin(.computing)
        last = own.lastCollectives(of: 0, most: 16)
        // The wait is no collective of its own.
        #expect(last.map(\.operation) == [.allGather, .startAllReduce])
        #expect(try #require(last[1].duration) >= 0.02 && last[1].age >= 0.02)
        // One that the ring no longer holds is not taken for another.
        for _ in 0..<16 { _ = own.post(.barrier, bytes: 0) }
        own.complete(number)
        #expect(own.lastCollectives(of: 0, most: 16).allSatisfy { $0.duration == nil })
    }

    @Test("a collective is described in one line")
    func description() {
        var collective = HostTable.Collective()
        collective.number = 1042
        collective.operation = .startAllReduce
        collective.bytes = 8_400_000
        collective.step = 12
        collective.age = 3.04
        #expect("\(collective)" == "#1042 MPI_Iallreduce 8400 kB, step 12, under way for 3.0 s")
        collective.duration = 0.00123
        collective.bytes = 48
        #expect("\(collective)" == "#1042 MPI_Iallreduce 48 B, step 12, took 1.2 ms, began 3.0 s ago")
    }

    @Test("noting collectives allocates nothing")
    func noAllocation() async {
        await #expect(processExitsWith: .success) {
            let table = try #require(HostTable(path: "/no/such/place", rank: 0, localRank: 0, localSize: 1))
            // Other threads of the process may allocate now and then, not every time.
            let fewest = (0..<20).map { _ in
                let before = allocation_count()
                for step in 0..<1000 {
                    table.mark(step: step)
                    let number = table.post(.startAllReduce, bytes: step)
                    table.begin(.allReduce, bytes: step)
                    table.begin(.computing)
                    table.complete(number)
                }
                return allocation_count() - before
            }.min()
            #expect(fewest == 0)
            let before = allocation_count()
            #expect([Int](repeating: before, count: 1000).count == 1000 && allocation_count() > before)
        }
    }
}
