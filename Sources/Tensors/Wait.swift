internal import CVectorKernels
import Glibc

/// How long something near is waited for by looking again and again, before the core is left to somebody else.
package enum Wait {
    /// Nanoseconds, where every thread has a core: longer than nearly all gaps between two operations of a step, so that
    /// these cost no wake-up.
    package static var longSpin: Int64 { 400_000 }
    /// Nanoseconds that a core is held beyond these, offered to others all the while.
    package static var yieldingSpin: Int64 { 20_000_000 }
    /// Nanoseconds, where another program wants the core of a thread that is waited for: far shorter than what the system
    /// gives that program at a time.
    package static var shortSpin: Int64 { 100_000 }
    /// Looks between two of the clock, which takes as long as one or two of them.
    private static var looks: Int { 16 }

    /// Looks until `isDone` or `duration` nanoseconds are over; returns whether it is done.
    @inline(__always)
    package static func spin(for duration: Int64, until isDone: () -> Bool) -> Bool {
        if isDone() { return true }
        let deadline = now() + duration
        while true {
            for _ in 0..<looks {
                umae_cpu_pause()
                if isDone() { return true }
            }
            if now() >= deadline { return false }
        }
    }

    /// Like `spin`, but lets any other thread that is ready to run on this core go first.
    static func makeWay(for duration: Int64, until isDone: () -> Bool) -> Bool {
        let deadline = now() + duration
        while now() < deadline {
            if isDone() { return true }
            sched_yield()
        }
        return isDone()
    }

    /// Nanoseconds of a clock that nobody sets.
    package static func now() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
