import Foundation
import TestSupport
import Testing

/// What takes long without being a stall: a file system that is slow to save, an update of many micro-batches.
@Suite("Long work is no stall", .serialized)
struct LongWorkTests {
    /// Two ranks of a run with a stall timeout of 2 s whose every sync of a file takes half a second: a save
    /// has more than four.
    private func run(
        _ folder: TemporaryDirectory, _ arguments: [String], whileRunning: (Process) throws -> Void = { _ in }
    ) throws -> Program.Result {
        try Program.run(
            arguments + ["--stall-timeout", "2"], ranks: 2,
            environment: ["LD_PRELOAD": Program.library("FaultInjector"), "FAULT_SLOW_SYNC": "500"],
            whileRunning: whileRunning)
    }

    @Test("a last save that takes longer than the stall timeout ends the run well")
    func lastSave() throws {
        let folder = try TemporaryDirectory()
        let result = try run(folder, SmallRun.arguments(folder.file("run")))
        #expect(result.exitCode == 0 && result.messages.isEmpty, "\(result.errors)")
        #expect(fileExists(folder.file("run/checkpoint-00000020/manifest.json")))
    }

    @Test("a save on a signal that takes longer than the stall timeout is made, and the run asks to be started again")
    func saveOnSignal() throws {
        let folder = try TemporaryDirectory()
        let arguments = SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400)
        let result = try run(folder, arguments) { process in
            try wait { fileExists(folder.file("run/log.txt")) }
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(result.exitCode == 85 && result.messages.isEmpty, "\(result.errors)")
        let resumed = try Program.run(arguments + ["--resume", "auto", "--dry-run"])
        #expect(resumed.exitCode == 0 && resumed.output.contains("checkpoint-"), "\(resumed.errors)")
    }

    @Test("a rank that is stopped during a save is found all the same")
    func stoppedWhileSaving() throws {
        let folder = try TemporaryDirectory()
        let result = try run(folder, SmallRun.arguments(folder.file("run"))) { process in
            let ranks = try Ranks(count: 2, of: folder.file("run"))
            try wait { fileExists(folder.file("run/checkpoint-00000020.partial")) }
            kill(ranks[0], SIGSTOP)
        }
        #expect(result.exitCode != 0)
        let line = result.messages.first ?? ""
        #expect(line.contains("because of rank 0;"), "\(result.errors)")
        #expect(line.contains("last seen saving a checkpoint"), "\(line)")
        #expect(line.contains("rank 1") && line.contains("waiting for others saving a checkpoint"), "\(line)")
    }

    @Test("an update whose micro-batches together take longer than the stall timeout goes on")
    func manyMicroBatches() throws {
        // Seconds, of which each micro-batch takes a ten-thousandth, however busy the machine is.
        let result = try Program.run(
            [
                "bench", "--batch-size", "1", "--accum-iter", "20000", "--steps", "1", "--warmup-steps", "0",
                "--threads", "1", "--stall-timeout", "1",
            ] + SmallRun.model, ranks: 2)
        #expect(result.exitCode == 0 && result.messages.isEmpty, "\(result.errors)")
    }
}
