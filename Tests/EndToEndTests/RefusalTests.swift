import Foundation
import Tensors
import TestSupport
import Testing

/// What the system or the launcher refuses: threads, calls of MPI from several threads, one instruction set for all.
@Suite("What is refused is said in one line", .serialized)
struct RefusalTests {
    /// Three ranks of a training run, to rank 1 of which the system refuses its `number`th thread.
    private func run(refusing number: Int, _ more: [String]) throws -> (Program.Result, TemporaryDirectory) {
        let folder = try TemporaryDirectory()
        let program = [Program.path] + SmallRun.arguments(folder.file("run"), batch: 9) + more
        let refusing = try [
            "env", "LD_PRELOAD=\(Program.library("FaultInjector"))", "FAULT_THREAD_REFUSED=\(number)",
        ]
        return (try Program.run(commands: [program, refusing + program, program]), folder)
    }

    @Test("a thread of a rank's team: all ranks end with its number and what to do", arguments: [1, 2])
    func team(number: Int) throws {
        let (result, _) = try run(refusing: number, ["--threads", "3"])
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        let line = result.messages.first ?? ""
        #expect(line.contains("rank 1: the system refused thread \(number + 1) of 3"), "\(line)")
        #expect(line.contains("lower --threads") && line.contains("ulimit -u"), "\(line)")
        #expect(!result.errors.contains("Fatal error"), "\(result.errors)")
    }

    @Test("the thread that watches for stalls: the run does not go on without")
    func watch() throws {
        // The first is the one that prepares batches.
        let (result, _) = try run(refusing: 2, [])
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("rank 1: the system refused the thread that watches") == true)
    }

    @Test("where MPI takes calls of one thread alone, a stall is said and ends the run without a call of another")
    func funneled() throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(
            SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400) + ["--stall-timeout", "2"], ranks: 2,
            environment: ["LD_PRELOAD": Program.library("FaultInjector"), "FAULT_MPI_FUNNELED": "1"]
        ) { _ in
            let ranks = try Ranks(count: 2, of: folder.file("run"))
            try wait { fileExists(folder.file("run/log.txt")) }
            kill(ranks[1], SIGSTOP)
        }
        #expect(result.exitCode == 1, "\(result.exitCode) \(result.errors)")
        #expect(result.messages.filter { $0.contains("no MPI_THREAD_MULTIPLE") }.count == 1, "\(result.errors)")
        #expect(result.messages.contains { $0.contains("no progress for 2 s, because of rank 1;") }, "\(result.errors)")
    }

    @Test(
        "ranks whose kernels round otherwise use those that all have, and stay equal",
        .enabled(if: VectorKernels.fusesMultiplyAdd, "this CPU has the baseline kernels alone"))
    func kernels() throws {
        let folder = try TemporaryDirectory()
        let program = [Program.path] + SmallRun.arguments(folder.file("run")) + ["--replica_check_every", "1"]
        let baseline = ["env", "UMAE_MAX_ISA=baseline"]
        for commands in [[baseline + program, program], [program, baseline + program]] {
            try? FileManager.default.removeItem(atPath: folder.file("run"))
            let result = try Program.run(commands: commands)
            #expect(result.exitCode == 0, "\(result.errors)")
            let rank = commands[0] == program ? 1 : 0
            let note = "note: rank \(rank) can use the baseline kernels alone"
            #expect(result.messages.contains { $0.contains(note) }, "\(result.errors)")
            #expect(result.output.contains("baseline kernels"), "\(result.output)")
        }
    }
}
