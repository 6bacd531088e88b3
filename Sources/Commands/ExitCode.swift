internal import Glibc

/// What a run's exit code promises to the script that started it. Nothing optional, such as a timeline, changes it.
package enum ExitCode {
    /// Everything asked for is done, or had been done before.
    package static var done: Int32 { 0 }
    /// Something failed that may be different the next time; the line on standard error says what.
    package static var failed: Int32 { 1 }
    /// The command line, recipe or environment cannot work, however often it is tried (EX_USAGE of sysexits.h).
    package static var usage: Int32 { EX_USAGE }
    /// A signal was obeyed and nothing is lost: the same command, with --resume auto, goes on.
    package static var savedForRestart: Int32 { 85 }
}
