internal import CMPIShim
import Glibc

/// How this process was started, read from the environment that launchers set.
package enum Launcher {
    /// The world this process belongs to: MPI's if a launcher started it, otherwise a single process.
    ///
    /// - Throws: `LauncherError` where a launcher started several processes that do not find each other: each would train
    ///   by itself, and all of them would write to one run directory.
    package static func join() throws -> any Communicator {
        guard ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"].contains(where: { variable($0) != nil }) else {
            if let launch = separateLaunch() { throw LauncherError(description: launch) }
            return SingleProcess()
        }
        if !canReadOtherProcesses { unsafe setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0) }
        SharedCores.tellMPI(arguments: CommandLine.arguments)
        let world = try MPIWorld()
        if let launched = launchedProcesses, launched.count > world.size {
            world.finalize()
            throw LauncherError(
                description:
                    "the launcher started \(launched.count) processes (\(launched.variable)), and MPI has joined "
                    + "\(world.size) of them: use the mpirun of the Open MPI that umae-dist is built with, or srun "
                    + "--mpi=pmix")
        }
        return world
    }

    /// What this MPI cannot do, and what follows from that; nil if nothing.
    package static func note(on world: any Communicator) -> String? {
        guard let world = world as? MPIWorld, !world.anyThreadMayCall else { return nil }
        return "this MPI takes calls of one thread alone (no MPI_THREAD_MULTIPLE): a rank that finds the run stalled "
            + "ends itself, and leaves it to the launcher to end the others (srun: --kill-on-bad-exit)"
    }

    /// Ends MPI if this is its world. Collective.
    package static func leave(_ world: any Communicator) { (world as? MPIWorld)?.finalize() }

    /// Whether this is the one process of a launch that says what is wrong with all of them.
    package static var speaks: Bool {
        let own = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID", "RANK"].compactMap(number).first
        return (own ?? 0) == 0
    }

    /// Why this is one of several processes that no MPI joins; nil if it is alone.
    private static func separateLaunch() -> String? {
        // A batch script's own process has the job's variables too, but its step has one task.
        if let tasks = number("SLURM_STEP_NUM_TASKS"), tasks > 1 {
            return "srun started \(tasks) tasks without MPI, and each would train by itself: use srun --mpi=pmix, or "
                + "mpirun inside the job"
        }
        if let task = number("SLURM_PROCID"), task > 0 {
            return
                "srun started several tasks without MPI, and each would train by itself: use srun --mpi=pmix, or mpirun "
                + "inside the job"
        }
        if let size = number("WORLD_SIZE"), size > 1, number("RANK") != nil, number("LOCAL_RANK") != nil {
            return
                "torchrun or its like started \(size) processes (WORLD_SIZE), and each would train by itself: use mpirun "
                + "-n \(size)"
        }
        for name in ["PMI_SIZE", "MV2_COMM_WORLD_SIZE", "MPI_LOCALNRANKS"] {
            guard let size = number(name), size > 1 else { continue }
            return
                "another MPI's launcher started \(size) processes (\(name)), and each would train by itself: use the "
                + "mpirun of the Open MPI that umae-dist is built with"
        }
        return nil
    }

    /// How many processes the launcher says it has started, and where it says so; nil if it does not.
    private static var launchedProcesses: (count: Int, variable: String)? {
        // mpirun's own word is the last; what started mpirun may have left others.
        if let count = number("OMPI_COMM_WORLD_SIZE") { return (count, "OMPI_COMM_WORLD_SIZE") }
        return ["PMI_SIZE", "SLURM_STEP_NUM_TASKS"].lazy
            .compactMap { name in number(name).map { ($0, name) } }.first
    }

    /// Containers often forbid the system call behind Open MPI's single-copy messages; Open MPI then complains once
    /// per rank, and works all the same.
    private static var canReadOtherProcesses: Bool { umae_process_vm_readv_allowed() }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    private static func number(_ name: String) -> Int? { variable(name).flatMap { Int($0) } }
}

package struct LauncherError: PermanentError, CustomStringConvertible {
    package let description: String
}
