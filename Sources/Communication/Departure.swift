internal import CMPIShim
import Glibc

/// The end of a run that one rank decides on.
struct Departure: Sendable {
    /// Whether the launcher, too, may wait for another host.
    let spansHosts: Bool
    /// Whether the calling thread may call MPI. Where it may not, its process ends without MPI_Finalize, upon which the
    /// launcher ends the others: mpirun does, srun with --kill-on-bad-exit.
    let mayCallMPI: Bool

    /// Seconds that MPI is given to end the ranks. It may wait for a host that no longer answers.
    static var grace: UInt32 { 5 }

    /// Ends all ranks as far as they can be reached, and this one in any case.
    func endRun(exitCode: Int32) -> Never {
        if spansHosts { Self.endLauncherLater() }
        guard mayCallMPI else { Self.leave(exitCode: exitCode) }
        var mask = sigset_t()
        unsafe sigemptyset(&mask)
        unsafe sigaddset(&mask, SIGALRM)
        signal(SIGALRM) { _ in Departure.leave(exitCode: 1) }
        unsafe pthread_sigmask(SIG_UNBLOCK, &mask, nil)
        alarm(Self.grace)
        _ = umae_mpi_abort(exitCode)
        Self.leave(exitCode: exitCode)
    }

    /// Ends mpirun, or its daemon on this host, if it is still there after twice the grace. Where a link is cut mpirun
    /// waits until the system gives up sending, which takes a quarter of an hour, and the job with it. A process of its
    /// own does it, since mpirun ends this one first.
    private static func endLauncherLater() {
        let script = """
            sleep \(2 * grace)
            case "$(cat /proc/$0/comm)" in mpirun*|mpiexec*|orterun|orted) kill -KILL $0 ;; esac
            """
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        // The child gets a process group of its own, since mpirun ends this one's.
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var files = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&files)
        for file in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
            unsafe posix_spawn_file_actions_addopen(&files, file, "/dev/null", O_RDWR, 0)
        }
        // Nobody is to take this process for the rank, whose connections end with it.
        for file in (STDERR_FILENO + 1)..<min(getdtablesize(), 4096) { _ = fcntl(file, F_SETFD, FD_CLOEXEC) }
        var words: [UnsafeMutablePointer<CChar>?] = unsafe []
        for word in ["/bin/sh", "-c", script, "\(getppid())"] { unsafe words.append(strdup(word)) }
        unsafe words.append(nil)
        var process: pid_t = 0
        _ = unsafe posix_spawn(&process, "/bin/sh", &files, &attributes, words, environ)
    }

    /// Ends this process at once: what is done at an orderly exit may wait for MPI again.
    static func leave(exitCode: Int32) -> Never { _exit(exitCode) }

    /// Writes a line to standard error in one piece, so that lines of several ranks do not mix.
    static func say(_ text: String) { write("umae-dist: \(text)\n") }

    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
