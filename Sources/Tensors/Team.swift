internal import CVectorKernels
import Glibc
import Synchronization

/// The threads of one rank. The caller is member 0; the others wait between jobs, spinning first and then asleep.
///
/// Members run a job together, as ranks run a program: each does its part of every operation and then waits for the
/// others. Results do not depend on the number of members: sums are formed in blocks that do not.
@safe
package final class Team: @unchecked Sendable {
    package let count: Int
    /// Called by the first member after its part of every operation, before it waits for the others, and every 2 ms or
    /// sooner within matrix products: for what has to be looked after now and then, such as messages under way. It starts
    /// no product. Set by the caller of `run`.
    package var meanwhile: (() -> Void)? {
        didSet {
            guard meanwhile != nil else { return umae_set_meanwhile(nil, nil) }
            // The hook is this thread's, and goes before the team does.
            unsafe umae_set_meanwhile(
                { context in
                    guard let context = unsafe context else { return }
                    unsafe Unmanaged<Team>.fromOpaque(context).takeUnretainedValue().meanwhile?()
                }, Unmanaged.passUnretained(self).toOpaque())
        }
    }

    private let generation = Atomic<UInt64>(0)
    private let pending = Atomic<Int>(0)
    private var job: ((TeamMember) -> Void)?
    private var stopping = false
    private var threads: [pthread_t] = []
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    private let arrived = Atomic<Int>(0)
    private let phase = Atomic<UInt64>(0)

    /// About 50 µs on a 3 GHz core: longer than the gap between two jobs of a step.
    private static var spins: Int { 20_000 }

    package init(threads count: Int) {
        precondition(count >= 1)
        self.count = count
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(wake, nil)
        for index in 1..<max(count, 1) {
            let start = unsafe Unmanaged.passRetained(WorkerStart(team: self, index: index)).toOpaque()
            var thread = pthread_t()
            let code = unsafe pthread_create(
                &thread, nil,
                { argument in
                    guard let argument = unsafe argument else { return nil }
                    let start = unsafe Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
                    Team.work(start.team, index: start.index)
                    return nil
                }, start)
            precondition(code == 0, "could not start thread \(index) of \(count)")
            threads.append(thread)
        }
    }

    deinit {
        unsafe pthread_mutex_lock(mutex)
        stopping = true
        generation.add(1, ordering: .releasing)
        unsafe pthread_cond_broadcast(wake)
        unsafe pthread_mutex_unlock(mutex)
        for thread in threads { pthread_join(thread, nil) }
        unsafe pthread_cond_destroy(wake)
        unsafe pthread_mutex_destroy(mutex)
        unsafe wake.deallocate()
        unsafe mutex.deallocate()
    }

    /// Calls `job` once on each thread and returns when all have. A closure that is kept and passed again allocates
    /// nothing.
    package func run(_ job: @escaping (TeamMember) -> Void) {
        guard count > 1 else { return job(TeamMember(team: self, index: 0)) }
        self.job = job
        pending.store(count - 1, ordering: .relaxed)
        unsafe pthread_mutex_lock(mutex)
        generation.add(1, ordering: .releasing)
        unsafe pthread_cond_broadcast(wake)
        unsafe pthread_mutex_unlock(mutex)
        job(TeamMember(team: self, index: 0))
        spin { pending.load(ordering: .acquiring) == 0 }
        self.job = nil
    }

    /// Returns when every member has called it.
    fileprivate func wait() {
        guard count > 1 else { return }
        let current = phase.load(ordering: .acquiring)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
            arrived.store(0, ordering: .relaxed)
            phase.add(1, ordering: .releasing)
        } else {
            spin { phase.load(ordering: .acquiring) != current }
        }
    }

    /// Waits for something near; where threads outnumber cores it makes way for whoever brings it about.
    private func spin(until isDone: () -> Bool) {
        var turns = 0
        while !isDone() {
            umae_cpu_pause()
            turns += 1
            if turns > Self.spins { sched_yield() }
        }
    }

    private static func work(_ team: Unowned, index: Int) {
        var seen: UInt64 = 0
        while true {
            // The team outlives its threads: deinit joins them.
            let current = unsafe team.value.awaitJob(after: seen)
            seen = current
            if unsafe team.value.stopping { return }
            unsafe team.value.job?(TeamMember(team: team.value, index: index))
            unsafe team.value.pending.subtract(1, ordering: .releasing)
        }
    }

    private func awaitJob(after seen: UInt64) -> UInt64 {
        for _ in 0..<Self.spins {
            let current = generation.load(ordering: .acquiring)
            if current != seen { return current }
            umae_cpu_pause()
        }
        unsafe pthread_mutex_lock(mutex)
        while generation.load(ordering: .acquiring) == seen { unsafe pthread_cond_wait(wake, mutex) }
        let current = generation.load(ordering: .acquiring)
        unsafe pthread_mutex_unlock(mutex)
        return current
    }

    /// A reference that does not keep the team alive, so that dropping the last owner ends the threads.
    fileprivate struct Unowned: @unchecked Sendable {
        unowned(unsafe) let value: Team
    }

    private final class WorkerStart {
        let team: Unowned
        let index: Int
        init(team: Team, index: Int) {
            self.team = Unowned(value: team)
            self.index = index
        }
    }
}

/// One thread of a team, inside a job. What is said to be called by every member must be called by all of them, in the
/// same order.
package struct TeamMember: Sendable {
    package let team: Team
    package let index: Int

    package init(team: Team, index: Int) {
        self.team = team
        self.index = index
    }

    package var isFirst: Bool { index == 0 }

    /// Returns when every member has called it.
    package func wait() {
        if isFirst { team.meanwhile?() }
        team.wait()
    }

    /// Divides 0 ..< total into one contiguous range per member, each a multiple of `multiple` but the last, does this
    /// member's, and waits for the others. Every member calls it.
    package func forEachChunk(of total: Int, multipleOf multiple: Int = 1, _ body: (Range<Int>) -> Void) {
        let range = chunk(of: total, multipleOf: multiple)
        if !range.isEmpty { body(range) }
        wait()
    }

    /// What cannot be divided: the first member does it, the others wait. Every member calls it.
    package func serially(_ body: () -> Void) {
        if isFirst { body() }
        wait()
    }

    /// The range of `forEachChunk` that belongs to this member.
    package func chunk(of total: Int, multipleOf multiple: Int = 1) -> Range<Int> {
        let units = (total + multiple - 1) / multiple
        let low = units * index / team.count * multiple
        let high = units * (index + 1) / team.count * multiple
        return min(low, total)..<min(high, total)
    }
}
