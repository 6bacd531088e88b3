import Glibc

/// A lock, and a place where threads sleep until another says that what they wait for may have changed.
@safe
package final class ConditionLock: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init() {
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    package func lock() { unsafe pthread_mutex_lock(mutex) }
    package func unlock() { unsafe pthread_mutex_unlock(mutex) }

    /// Sleeps until a signal, or without one; the caller holds the lock, and looks again whether it has to wait.
    package func wait() { unsafe pthread_cond_wait(condition, mutex) }

    /// Like `wait`, but at most until CLOCK_MONOTONIC shows `deadline`, in nanoseconds.
    package func wait(until deadline: Int64) {
        var time = timespec(tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        unsafe pthread_cond_timedwait(condition, mutex, &time)
    }

    /// Wakes one of the threads that sleep.
    package func signal() { unsafe pthread_cond_signal(condition) }
    /// Wakes all of them.
    package func broadcast() { unsafe pthread_cond_broadcast(condition) }
}
