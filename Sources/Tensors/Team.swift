internal import CVectorKernels
package import Host

/// The threads of one rank. The caller is member 0; the others wait between jobs, spinning first and then asleep.
///
/// Members run a job together, as ranks run a program: each does its part of every operation and then waits for the
/// others. Results do not depend on the number of members: sums are formed in blocks that do not.
@safe
package final class Team: @unchecked Sendable {
    package let count: Int

    fileprivate let core: TeamCore
    private var threads: [BackgroundThread] = []

    /// - Throws: if the system does not give as many threads; those it gave have ended.
    package init(threads count: Int) throws(ThreadRefusal) {
        precondition(count >= 1)
        self.count = count
        core = TeamCore(count: count)
        let core = core
        for index in 1..<max(count, 1) {
            do throws(ThreadRefusal) {
                threads.append(try BackgroundThread("thread \(index + 1) of \(count)") { core.work(index: index) })
            } catch {
                end()
                throw error
            }
        }
    }

    deinit { end() }

    private func end() {
        core.stop()
        for thread in threads { thread.join() }
        threads = []
    }

    /// Has every thread do its part of `job`, and returns when all have. Allocates nothing.
    ///
    /// - Parameter attendant: what the first member looks after meanwhile, if anything.
    package func run(_ job: any TeamJob, attending attendant: (any TeamAttendant)? = nil) {
        if let attendant { attend(attendant) }
        if count > 1 { core.run(job) } else { job.work(by: TeamMember(core: core, index: 0)) }
        if attendant != nil { attend(nil) }
    }

    /// The same for a job that is made on the spot.
    package func run(_ body: @escaping (TeamMember) -> Void) { run(Closure(body)) }

    private func attend(_ attendant: (any TeamAttendant)?) {
        core.attendant = attendant
        guard attendant != nil else { return umae_set_meanwhile(nil, nil) }
        // The hook is this thread's, and goes before the team does.
        unsafe umae_set_meanwhile(
            { context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<TeamCore>.fromOpaque(context).takeUnretainedValue().attendant?.look()
            }, Unmanaged.passUnretained(core).toOpaque())
    }

    private final class Closure: TeamJob {
        private let body: (TeamMember) -> Void
        init(_ body: @escaping (TeamMember) -> Void) { self.body = body }
        func work(by member: TeamMember) { body(member) }
    }
}

/// Work that the threads of a team do together. What it works on is set before it is run.
package protocol TeamJob: AnyObject {
    /// One member's part. Every member of a team calls it, each once.
    func work(by member: TeamMember)
}

/// What has to be looked after now and then while a team computes, such as messages under way.
package protocol TeamAttendant: AnyObject {
    /// Called by the first member after its part of every operation, before it waits for the others, and every 2 ms or
    /// sooner within matrix products. It starts no product.
    func look()
}

/// One thread of a team, inside a job. What is said to be called by every member must be called by all of them, in the
/// same order.
package struct TeamMember: Sendable {
    private let core: TeamCore
    package let index: Int

    package init(team: Team, index: Int) { self.init(core: team.core, index: index) }

    /// The only member of a team that never started a thread.
    package static var alone: TeamMember { TeamMember(core: TeamCore(count: 1), index: 0) }

    init(core: TeamCore, index: Int) {
        self.core = core
        self.index = index
    }

    package var isFirst: Bool { index == 0 }

    /// Returns when every member has called it.
    package func wait() { wait(isBalanced: false) }

    private func wait(isBalanced: Bool) {
        if isFirst { core.attendant?.look() }
        core.meet(isBalanced: isBalanced)
    }

    /// Divides 0 ..< total into one contiguous range per member, each a multiple of `multiple` but the last, does this
    /// member's, and waits for the others. Every member calls it.
    package func forEachChunk(of total: Int, multipleOf multiple: Int = 1, _ body: (Range<Int>) -> Void) {
        let range = chunk(of: total, multipleOf: multiple)
        if !range.isEmpty { body(range) }
        wait()
    }

    /// Like `forEachChunk`, for long operations. Where another program takes a core now and then, each member's part is
    /// divided into pieces, and a member that is done with its own takes pieces that others have not begun. `body` may be
    /// called several times, each time with other elements. Every member calls it.
    package func forEachPiece(of total: Int, multipleOf multiple: Int = 1, _ body: (Range<Int>) -> Void) {
        let pieces = core.pieces
        guard pieces > 1 else {
            let range = chunk(of: total, multipleOf: multiple)
            if !range.isEmpty { body(range) }
            return wait(isBalanced: true)
        }
        let operation = core.beginPieces(of: index)
        for offset in 0..<core.count {
            let owner = (index + offset) % core.count
            let part = TeamMember(core: core, index: owner).chunk(of: total, multipleOf: multiple)
            while let piece = core.takePiece(of: owner, operation: operation, pieces: pieces) {
                let units = (part.count + multiple - 1) / multiple
                let low = part.lowerBound + units * piece / pieces * multiple
                let high = min(part.lowerBound + units * (piece + 1) / pieces * multiple, part.upperBound)
                if low < high { body(low..<high) }
            }
        }
        wait(isBalanced: true)
    }

    /// What cannot be divided: the first member does it, the others wait. Every member calls it.
    package func serially(_ body: () -> Void) {
        if isFirst { body() }
        wait()
    }

    /// The range of `forEachChunk` that belongs to this member.
    package func chunk(of total: Int, multipleOf multiple: Int = 1) -> Range<Int> {
        let units = (total + multiple - 1) / multiple
        let low = units * index / core.count * multiple
        let high = units * (index + 1) / core.count * multiple
        return min(low, total)..<min(high, total)
    }
}
