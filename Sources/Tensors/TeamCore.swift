import Glibc
import Synchronization

/// What the threads of a team share. It lives as long as the last of them.
///
/// Whoever waits looks for a short time and then sleeps, so that its core is free for whoever has to be waited for, or for
/// another program: the system moves what waits on a busy core to one that has nothing to do, and one that spins has not.
@safe
final class TeamCore: @unchecked Sendable {
    let count: Int
    var meanwhile: (() -> Void)?

    private let generation = Atomic<UInt64>(0)
    private let pending = Atomic<Int>(0)
    private var job: ((TeamMember) -> Void)?
    private let stopping = Atomic<Bool>(false)
    private let arrived = Atomic<Int>(0)
    private let phase = Atomic<UInt64>(0)

    /// Threads that sleep, or are about to.
    private let sleepers = Atomic<Int>(0)
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(count: Int) {
        self.count = count
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(wake, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(wake)
        unsafe pthread_mutex_destroy(mutex)
        unsafe wake.deallocate()
        unsafe mutex.deallocate()
    }

    /// The body of thread `index`.
    func work(index: Int) {
        var seen: UInt64 = 0
        while true {
            wait { generation.load(ordering: .sequentiallyConsistent) != seen }
            seen = generation.load(ordering: .acquiring)
            if stopping.load(ordering: .acquiring) { return }
            job?(TeamMember(core: self, index: index))
            if pending.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 { wakeSleepers() }
        }
    }

    /// Calls `job` once on each thread, this one included, and returns when all have.
    func run(_ job: @escaping (TeamMember) -> Void) {
        self.job = job
        pending.store(count - 1, ordering: .relaxed)
        generation.add(1, ordering: .sequentiallyConsistent)
        wakeSleepers()
        job(TeamMember(core: self, index: 0))
        wait { pending.load(ordering: .sequentiallyConsistent) == 0 }
        self.job = nil
    }

    /// Has all threads but the caller's return from `work`.
    func stop() {
        stopping.store(true, ordering: .releasing)
        generation.add(1, ordering: .sequentiallyConsistent)
        wakeSleepers()
    }

    /// Returns when every member has called it.
    func meet() {
        guard count > 1 else { return }
        let current = phase.load(ordering: .acquiring)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
            arrived.store(0, ordering: .relaxed)
            phase.add(1, ordering: .sequentiallyConsistent)
            wakeSleepers()
        } else {
            wait { phase.load(ordering: .sequentiallyConsistent) != current }
        }
    }

    /// Waits for what another thread brings about before it calls `wakeSleepers`.
    private func wait(until isDone: () -> Bool) {
        if Wait.spin(until: isDone) { return }
        unsafe pthread_mutex_lock(mutex)
        // Counted before looking once more, as others look here after they have brought it about: one of both sees the
        // other.
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while !isDone() { unsafe pthread_cond_wait(wake, mutex) }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        unsafe pthread_mutex_unlock(mutex)
    }

    private func wakeSleepers() {
        guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
        unsafe pthread_mutex_lock(mutex)
        unsafe pthread_cond_broadcast(wake)
        unsafe pthread_mutex_unlock(mutex)
    }
}
