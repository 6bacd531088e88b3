internal import CVectorKernels
import Glibc
import Synchronization

/// The threads of one rank. The caller is thread 0; the others wait between jobs, spinning first and then asleep.
///
/// Every operation divides its rows among the team, joins, and returns: results depend on the number of threads only
/// where a sum over rows is formed, and there in a fixed order.
@safe
package final class Team: @unchecked Sendable {
    package let count: Int

    private let generation = Atomic<UInt64>(0)
    private let pending = Atomic<Int>(0)
    private var job: ((Int) -> Void)?
    private var stopping = false
    private var threads: [pthread_t] = []
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// About 50 µs on a 3 GHz core: longer than the gap between two operations of a step.
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

    /// Calls `body(thread)` once on each thread and returns when all have.
    package func run(_ body: (Int) -> Void) {
        guard count > 1 else { return body(0) }
        withoutActuallyEscaping(body) { body in
            job = body
            pending.store(count - 1, ordering: .relaxed)
            unsafe pthread_mutex_lock(mutex)
            generation.add(1, ordering: .releasing)
            unsafe pthread_cond_broadcast(wake)
            unsafe pthread_mutex_unlock(mutex)
            body(0)
            while pending.load(ordering: .acquiring) > 0 { relax() }
            job = nil
        }
    }

    /// Divides 0 ..< count into one contiguous range per thread, each a multiple of `multiple` but the last.
    package func forEachChunk(of total: Int, multipleOf multiple: Int = 1, _ body: (Range<Int>) -> Void) {
        guard count > 1 && total > multiple else { return total > 0 ? body(0..<total) : () }
        run { thread in
            let range = chunk(thread, of: total, multipleOf: multiple)
            if !range.isEmpty { body(range) }
        }
    }

    /// The range of `forEachChunk` that belongs to `thread`.
    package func chunk(_ thread: Int, of total: Int, multipleOf multiple: Int = 1) -> Range<Int> {
        let units = (total + multiple - 1) / multiple
        let low = units * thread / count * multiple
        let high = units * (thread + 1) / count * multiple
        return min(low, total)..<min(high, total)
    }

    private static func work(_ team: Unowned, index: Int) {
        var seen: UInt64 = 0
        while true {
            // The team outlives its threads: deinit joins them.
            let current = unsafe team.value.awaitJob(after: seen)
            seen = current
            if unsafe team.value.stopping { return }
            unsafe team.value.job?(index)
            unsafe team.value.pending.subtract(1, ordering: .releasing)
        }
    }

    private func awaitJob(after seen: UInt64) -> UInt64 {
        for _ in 0..<Self.spins {
            let current = generation.load(ordering: .acquiring)
            if current != seen { return current }
            relax()
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

/// Tells the core that this is a waiting loop.
private func relax() { umae_cpu_pause() }
