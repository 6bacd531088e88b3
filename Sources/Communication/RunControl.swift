internal import Glibc

/// What a run wants of its ranks besides messages: that they are watched, and that they can be ended at once. Nothing here
/// is collective.
///
/// An implementation that defines none of it has ranks that nobody watches.
package protocol RunControl: AnyObject, Sendable {
    /// From now on, ends the run if a rank does one thing for longer than `timeout` seconds, and says who and what. It is
    /// of use only if all ranks call it.
    ///
    /// - Throws: `ThreadRefusal` if the system gives no thread to watch on.
    func watchForStalls(timeout: Double) throws
    /// The table in which this rank notes what it does, for the other ranks of its host; nil where nobody watches.
    var table: HostTable? { get }
    /// Says at which step this rank is, for such a report.
    func mark(step: Int)
    /// Ends all ranks at once, after saying what this rank's last collectives were: for failures that one rank meets
    /// alone.
    func abort(exitCode: Int32) -> Never
}

extension RunControl {
    package func watchForStalls(timeout: Double) {}
    package var table: HostTable? { nil }
    package func mark(step: Int) {}
    package func abort(exitCode: Int32) -> Never { exit(exitCode) }
}
