import Glibc
import Synchronization

/// Signals that ask the run to save and end: SIGUSR1, SIGUSR2, SIGTERM, and SIGINT from a keyboard.
///
/// A handler may only set a flag. Ranks get the signal at different moments, so the flags are summed over the ranks
/// at each step boundary and all ranks stop at the same one.
package enum StopRequest {
    private static let received = Atomic<Int32>(0)

    /// From here on these signals are noted. A second SIGINT ends the process at once; others may be repeated.
    package static func listen() {
        var mask = sigset_t()
        unsafe sigemptyset(&mask)
        for number in [SIGUSR1, SIGUSR2, SIGTERM, SIGINT] {
            unsafe sigaddset(&mask, number)
            signal(number) { number in
                StopRequest.received.store(number, ordering: .relaxed)
                // Schedulers repeat SIGUSR1 and SIGTERM follows them; only a person repeats SIGINT in haste.
                if number == SIGINT { signal(SIGINT, SIG_DFL) }
            }
        }
        // Launchers that wait for signals themselves may have left them blocked.
        unsafe pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    }

    package static var isPending: Bool { received.load(ordering: .relaxed) != 0 }
}
