import Glibc
import Synchronization
import Host
import Tensors
import Testing

@Suite("The threads of a rank wait for each other")
struct TeamTests {
    /// Each member writes its place and, after the others' part, checks theirs; more threads than cores, so that some sleep.
    @Test("every operation is over on all threads before the next begins", arguments: [1, 2, 3, 9])
    func meetings(threads: Int) throws {
        let team = try Team(threads: threads)
        let marks = Matrix(rows: 1, columns: threads)
        let errors = Atomic<Int>(0)
        for job in 0..<10 {
            team.run { member in
                for round in 0..<20 {
                    let mark = Float(1000 * job + round)
                    marks[0, member.index] = mark
                    member.wait()
                    for other in 0..<threads where marks[0, other] != mark {
                        errors.add(1, ordering: .relaxed)
                    }
                    member.wait()
                }
            }
        }
        #expect(errors.load(ordering: .relaxed) == 0)
    }

    @Test("work in pieces is all done, each piece once, by whoever has time for it", arguments: [2, 3, 4])
    func pieces(threads: Int) throws {
        let team = try Team(threads: threads)
        let most = 5000
        let marks = IndexMatrix(rows: 1, columns: most)
        let owners = IndexMatrix(rows: 1, columns: most)
        let missing = Atomic<Int>(0)
        let helped = Atomic<Int>(0)
        for round in 1...400 {
            let (total, multiple) = (1 + (round * 37) % most, 1 + round % 7)
            team.run { member in
                member.forEachPiece(of: total, multipleOf: multiple) { range in
                    // The last is late, as if another program had its core.
                    if member.index == threads - 1 && round > 100 { usleep(1000) }
                    for index in range {
                        marks[0, index] += 1
                        owners[0, index] = Int32(member.index)
                    }
                }
                member.serially {
                    let own = TeamMember(team: team, index: threads - 1).chunk(of: total, multipleOf: multiple)
                    for index in 0..<total {
                        if marks[0, index] != 1 { missing.add(1, ordering: .relaxed) }
                        if own.contains(index) && owners[0, index] != Int32(threads - 1) {
                            helped.add(1, ordering: .relaxed)
                        }
                        marks[0, index] = 0
                    }
                }
            }
        }
        #expect(missing.load(ordering: .relaxed) == 0)
        #expect(helped.load(ordering: .relaxed) > 0, "nobody took over what a late member had not begun")
    }

    @Test("who waits longer than it spins sleeps, and is woken: by the last member, by the next job, at the end")
    func sleeping() throws {
        #expect(Wait.longSpin < 5_000_000 && Wait.shortSpin < Wait.longSpin)
        do {
            let team = try Team(threads: 3)
            let done = Atomic<Int>(0)
            for late in 0..<3 {
                team.run { member in
                    if member.index == late { usleep(10_000) }
                    member.wait()
                    done.add(1, ordering: .relaxed)
                }
                usleep(10_000)
            }
            #expect(done.load(ordering: .relaxed) == 9)
        }
        // Threads that slept ended with the team.
    }

    @Test("a team may go while its threads come back from its last job")
    func goesAtOnce() throws {
        let runs = Atomic<Int>(0)
        for _ in 0..<300 {
            try Team(threads: 3).run { _ in runs.add(1, ordering: .relaxed) }
        }
        #expect(runs.load(ordering: .relaxed) == 900)
    }

    @Test("a refused thread is named with its number, the reason and what to do")
    func refused() {
        let text = "\(ThreadRefusal("thread 3 of 8", code: EAGAIN))"
        #expect(text.contains("thread 3 of 8 (Resource temporarily unavailable)"), "\(text)")
        #expect(text.contains("lower --threads") && text.contains("ulimit -u"), "\(text)")
    }
}
