import Glibc

/// Signals of a crash. Swift prints a backtrace on them and returns, so that the fault comes again and ends the process;
/// where the signal was sent by somebody there is no fault, and the rank would go on. A fault in a file that is mapped has a
/// cause outside the program, which is said.
package enum CrashSignals {
    private static let numbers = [SIGSEGV, SIGBUS, SIGILL, SIGFPE]

    /// Lets a signal that was sent end the process as it is meant to; a fault is left to Swift, or to the system.
    package static func endWhenSent() {
        for number in numbers {
            var previous = sigaction()
            unsafe sigaction(number, nil, &previous)
            let isCaught = previous.sa_flags & SA_SIGINFO != 0
            // Nobody catches it: it ends the process anyway.
            guard isCaught || number == SIGBUS else { continue }
            if isCaught { unsafe swiftHandler = previous.__sigaction_handler.sa_sigaction }
            var own = previous
            own.sa_flags |= SA_SIGINFO
            unsafe own.__sigaction_handler.sa_sigaction = { number, info, context in
                // Positive codes are the kernel's, of a fault.
                let isFault = unsafe (info?.pointee.si_code ?? 0) > 0
                if isFault && number == SIGBUS { sayFileIsGone() }
                if isFault, let swiftHandler { return unsafe swiftHandler(number, info, context) }
                signal(number, SIG_DFL)
                // A fault comes again on return.
                if !isFault { raise(number) }
            }
            unsafe sigaction(number, &own, nil)
        }
    }
}

/// Callable from a handler: nothing is allocated.
private func sayFileIsGone() {
    let text: StaticString = """
        umae-dist: images could not be read where they lie: their file became shorter during the run, or its disk failed; \
        restore the file and go on with --resume auto

        """
    _ = unsafe write(2, text.utf8Start, text.utf8CodeUnitCount)
}

/// One handler serves all these signals; written once, before any of them is caught.
@safe
private nonisolated(unsafe) var swiftHandler:
    (@convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void)?
