import Communication
import TestSupport
import Testing

@Suite("Ranks agree")
struct AgreementTests {
    private struct Missing: Error, CustomStringConvertible {
        let description: String
    }
    private struct Wrong: PermanentError, CustomStringConvertible {
        let description = "never"
    }

    @Test("where nobody fails each has its own result", arguments: [1, 3])
    func results(size: Int) throws {
        #expect(
            try InProcessWorld.run(ranks: size) { world in try world.agree { world.rank * 2 } }
                == (0..<size).map { $0 * 2 })
    }

    @Test("where some fail all throw the same, with their numbers and the first one's words")
    func failure() throws {
        let texts = try InProcessWorld.run(ranks: 4) { world in
            let error = thrownError(AgreedFailure.self) {
                try world.agree(during: .readingData) {
                    if world.rank % 2 == 1 { throw Missing(description: "no file on \(world.rank)") }
                }
            }
            // They go on together.
            try world.barrier()
            return (error?.description, error?.isPermanent)
        }
        for text in texts { #expect(text == ("rank 1, 3: no file on 1", false)) }
    }

    @Test("what all meet names no rank, and what can never work is remembered as that")
    func permanent() throws {
        let texts = try InProcessWorld.run(ranks: 3) { world in
            let error = thrownError(AgreedFailure.self) { try world.agree { throw Wrong() } }
            return (error?.description, error?.isPermanent)
        }
        for text in texts { #expect(text == ("never", true)) }
    }

    @Test("different lines are told with both")
    func lines() throws {
        let texts = try InProcessWorld.run(ranks: 3) { world in
            try world.agreeOnEqual("settings", ["a", "b"])
            return thrownError(AgreedFailure.self) {
                try world.agreeOnEqual("settings", ["a: 1", world.rank == 2 ? "b: 3" : "b: 2", "c"])
            }?.description
        }
        let expected = "ranks were started with different settings: rank 0 has 'b: 2', rank 2 has 'b: 3'"
        for text in texts { #expect(text == expected) }
    }

    @Test("sums in a tree have the bits of neighbours added in pairs", arguments: 1...8)
    func tree(size: Int) throws {
        let values = (0..<size).map { rank -> [Double] in
            // Beside 1e16 there are even numbers alone.
            [1 / Double(rank + 1), [1e16, 3, -1e16, 3][rank % 4], -3]
        }
        let sums = try InProcessWorld.run(ranks: size) { world in
            var own = values[world.rank]
            try world.treeSum(&own)
            return own
        }
        var pairs = values
        while pairs.count > 1 {
            pairs = stride(from: 0, to: pairs.count, by: 2).map { first in
                first + 1 < pairs.count ? zip(pairs[first], pairs[first + 1]).map { $0 + $1 } : pairs[first]
            }
        }
        for sum in sums { #expect(sum == pairs[0]) }
        // One after another is another sum.
        var inOrder = values[0]
        for own in values.dropFirst() { inOrder = zip(inOrder, own).map { $0 + $1 } }
        if size == 4 { #expect(inOrder != pairs[0]) }
    }

    @Test("bytes of all come to rank 0 in order, in rounds; what fails there, fails everywhere")
    func gather() throws {
        let arrived = try InProcessWorld.run(ranks: 5) { world in
            var seen: [[UInt8]] = []
            let own = [UInt8](repeating: UInt8(world.rank), count: 3 * world.rank)
            try world.gather(own, during: .writingTimeline, most: 10) { rank, bytes in
                if seen.count == rank { seen.append(bytes) }
            }
            return seen
        }
        #expect(arrived[0] == (0..<5).map { [UInt8](repeating: UInt8($0), count: 3 * $0) })
        #expect(arrived.dropFirst().allSatisfy { $0.isEmpty })

        let texts = try InProcessWorld.run(ranks: 3) { world in
            thrownError(AgreedFailure.self) {
                try world.gather([1], during: .writingTimeline, most: 1) { rank, _ in
                    if rank == 1 { throw Missing(description: "disk full") }
                }
            }?.description
        }
        for text in texts { #expect(text == "rank 0: disk full") }
    }
}
