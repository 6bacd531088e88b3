internal import CMPIShim
import Glibc
internal import Host

/// How this process was started, read from the environment that launchers set.
package enum Launcher {
    /// The world this process belongs to: MPI's if a launcher started it, otherwise a single process.
    package static func join() throws -> any Communicator {
        guard startedByMPI else {
            if let task = variable("SLURM_PROCID"), task != "0" {
                throw LauncherError(
                    description:
                        "srun started several tasks without MPI: use srun --mpi=pmix, or mpirun inside the job")
            }
            return SingleProcess()
        }
        if !canReadOtherProcesses { unsafe setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0) }
        // Ranks that wait then leave their core to ranks that compute. mpirun knows this of itself only where the host file
        // does not claim a slot for each rank.
        if sharesCores { unsafe setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0) }
        return try MPIWorld()
    }

    /// Ends MPI if this is its world. Collective.
    package static func leave(_ world: any Communicator) { (world as? MPIWorld)?.finalize() }

    /// Whether this host has fewer cores for the ranks on it than they are.
    private static var sharesCores: Bool {
        guard let ranks = variable("OMPI_COMM_WORLD_LOCAL_SIZE").flatMap({ Int($0) }) else { return false }
        return ranks > Processors().hostCapacity
    }

    private static var startedByMPI: Bool {
        ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"].contains { variable($0) != nil }
    }

    /// Containers often forbid the system call behind Open MPI's single-copy messages; Open MPI then complains once
    /// per rank, and works all the same.
    private static var canReadOtherProcesses: Bool { umae_process_vm_readv_allowed() }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

package struct LauncherError: Error, CustomStringConvertible {
    package let description: String
}
