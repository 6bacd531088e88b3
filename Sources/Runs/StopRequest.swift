internal import CStopSignals
package import Communication

/// Signals that ask the run to save and end: SIGUSR1, SIGUSR2, SIGTERM, SIGINT from a keyboard, and SIGHUP of a terminal
/// that is closed. They are caught from the start of the process on; what nohup has it ignore stays ignored.
///
/// A handler may only set a flag. Ranks get the signal at different moments, so the flags are summed over the ranks
/// at each step boundary and all ranks stop at the same one. A second SIGINT ends the process at once; the others may be
/// repeated.
package enum StopRequest {
    package static var isPending: Bool { umae_stop_signal() != 0 }

    /// Whether any rank was asked to stop. Collective.
    package static func isPending(on communicator: any Communicator) throws -> Bool {
        var pending = [isPending ? 1.0 : 0]
        try communicator.allReduce(&pending, .sum)
        return pending[0] > 0
    }

    /// From now on this process says at once that it has understood a signal. One rank of a run calls it.
    ///
    /// - Parameter saves: whether there is a place to save to.
    package static func announce(saves: Bool) {
        // Read by a signal handler, so it must be a literal, which lives for ever.
        let text: StaticString = saves ? ": saving after this step" : ": ending after this step"
        unsafe umae_stop_announce(UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self))
    }

    /// Gives signals back their usual effect, also one that has come already: for commands that have nothing to save.
    package static func leaveToSystem() { umae_stop_restore() }
}
