import Glibc

/// Signals of a crash. Swift prints a backtrace on them and returns, so that the fault comes again and ends the process;
/// where the signal was sent by somebody there is no fault, and the rank would go on.
package enum CrashSignals {
    private static let numbers = [SIGSEGV, SIGBUS, SIGILL, SIGFPE]

    /// Lets a signal that was sent end the process as it is meant to; a fault is left to Swift.
    package static func endWhenSent() {
        for number in numbers {
            var previous = sigaction()
            unsafe sigaction(number, nil, &previous)
            // Nobody catches it: it ends the process anyway.
            guard previous.sa_flags & SA_SIGINFO != 0 else { continue }
            unsafe swiftHandler = previous.__sigaction_handler.sa_sigaction
            var own = previous
            unsafe own.__sigaction_handler.sa_sigaction = { number, info, context in
                // Positive codes are the kernel's, of a fault.
                if let info = unsafe info, unsafe info.pointee.si_code > 0 {
                    unsafe swiftHandler?(number, info, context)
                } else {
                    signal(number, SIG_DFL)
                    raise(number)
                }
            }
            unsafe sigaction(number, &own, nil)
        }
    }
}

/// One handler serves all these signals; written once, before any of them is caught.
@safe
private nonisolated(unsafe) var swiftHandler:
    (@convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void)?
