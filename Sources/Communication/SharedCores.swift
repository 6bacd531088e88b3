import Glibc
internal import Host

/// Whether ranks and their threads outnumber the cores of this host, which MPI has to know before it starts: who waits in
/// it then leaves the core to who computes. mpirun sees to this itself only where the host file does not claim a slot for
/// each rank, and knows nothing of threads.
enum SharedCores {
    /// Tells Open MPI, unless the user has chosen. To be called before MPI is started.
    ///
    /// - Parameter arguments: of the program, which are parsed only later.
    static func tellMPI(arguments: [String]) {
        guard let ranks = number("OMPI_COMM_WORLD_LOCAL_SIZE") else { return }
        guard ranks * Double(threadsAsked(arguments)) > Double(Processors().hostCapacity) else { return }
        unsafe setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0)
    }

    /// What --threads or UMAE_THREADS says, if it says it there; 1 if not, since ranks by default take no more than there is.
    static func threadsAsked(_ arguments: [String]) -> Int {
        let flag = "--threads"
        var asked = number("UMAE_THREADS")
        for (index, argument) in arguments.enumerated() {
            if argument == flag, index + 1 < arguments.count { asked = Double(arguments[index + 1]) }
            if argument.hasPrefix(flag + "=") { asked = Double(argument.dropFirst(flag.count + 1)) }
        }
        guard let asked, asked >= 1 else { return 1 }
        return Int(min(asked, 1024))
    }

    private static func number(_ variable: String) -> Double? {
        guard let value = unsafe getenv(variable) else { return nil }
        return unsafe Double(String(cString: value))
    }
}
