import Foundation
import TestSupport
import Testing

/// Ranks that stop, die, are slow, or find that the system fails them: the run ends, says why, and leaves what it had
/// saved; or goes on.
@Suite("A rank that fails does not leave the others waiting", .serialized)
struct FaultTests {
    /// Epochs without end, for runs that a fault ends.
    private func endless(_ folder: TemporaryDirectory, _ more: [String] = []) -> [String] {
        SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400, batch: 9)
            + ["--checkpoint-every", "1"] + more
    }

    /// Waits until the run has saved a checkpoint, then does something to its ranks.
    private func run(_ folder: TemporaryDirectory, _ more: [String] = [], _ harm: @escaping (Ranks) throws -> Void)
        throws
        -> Program.Result
    {
        try Program.run(endless(folder, more), ranks: 3) { _ in
            try wait { fileExists(folder.file("run/checkpoint-00000044")) }
            try harm(Ranks(count: 3, of: folder.file("run")))
        }
    }

    @Test("a rank that is stopped (SIGSTOP) is named, and the run ends", arguments: [0, 2])
    func stopped(rank: Int) throws {
        let folder = try TemporaryDirectory()
        var victim: pid_t = 0
        let result = try run(folder, ["--stall-timeout", "3"]) {
            victim = $0[rank]
            kill(victim, SIGSTOP)
        }
        #expect(result.exitCode != 0)
        let line = result.messages.first { $0.contains("no progress for 3 s, because of rank \(rank);") } ?? ""
        #expect(line.contains("process \(victim)") && line.contains("no sign of life"), "\(result.errors)")
        #expect(line.contains("MPI_"), "says where the others wait: \(line)")
        #expect(line.contains("--resume auto"), "says what to do: \(line)")
        #expect(Ranks.isGone(victim), "the stopped rank is gone too")
        for other in 0..<3 {
            let last = result.errors.split(separator: "\n").first { $0.contains("last collectives of rank \(other),") }
            #expect(last?.contains(" MPI_") == true && last?.contains(", step ") == true, "\(result.errors)")
        }
        // The others may have begun to wait a little after its last sign of life, and a busy machine says so late.
        let waits = result.errors.matches(of: /under way for ([0-9.]+) s/).compactMap { Double($0.1) }
        #expect(waits.contains { $0 >= 2 }, "\(result.errors)")
    }

    @Test(
        "a rank that is killed (SIGKILL) or crashes (SIGSEGV) is named and ends the run; the last checkpoint is whole",
        arguments: [(SIGKILL, 0), (SIGKILL, 2), (SIGSEGV, 1)])
    func killed(signal: Int32, rank: Int) throws {
        let folder = try TemporaryDirectory()
        let result = try run(folder) { kill($0[rank], signal) }
        #expect(result.exitCode != 0)
        let text = result.errors.replacing("\n", with: " ")
        #expect(text.contains("process rank \(rank) with PID") && text.contains("signal \(signal)"), "\(result.errors)")
        let resumed = try Program.run(endless(folder, ["--resume", "auto", "--dry-run"]))
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
    }

    @Test("an error that one rank alone meets ends all, with its rank and its last collectives")
    func loneError() throws {
        let folder = try TemporaryDirectory()
        // The thread that prepares batches.
        let refusing = try ["env", "LD_PRELOAD=\(Program.library("FaultInjector"))", "FAULT_THREAD_REFUSED=1"]
        let program = [Program.path] + endless(folder)
        let result = try Program.run(commands: [program, refusing + program, program])
        #expect(result.exitCode != 0)
        #expect(result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.hasPrefix("umae-dist: rank 1: ") == true, "\(result.errors)")
        #expect(result.messages.first?.contains("thread") == true, "\(result.errors)")
        #expect(result.errors.contains("last collectives of rank 1, newest first:\n    #"), "\(result.errors)")
        #expect(!result.errors.contains("last collectives of rank 0"), "\(result.errors)")
    }

    @Test("a slow rank slows the others, is named, and changes nothing")
    func slow() throws {
        let folder = try TemporaryDirectory()
        func arguments(_ name: String) -> [String] {
            SmallRun.arguments(folder.file(name), epochs: 1, images: 20_000) + ["--stall-timeout", "5"]
        }
        let whole = try Program.run(arguments("whole"), ranks: 2)
        #expect(whole.exitCode == 0, "\(whole.errors)")
        let result = try Program.run(arguments("run"), ranks: 2) { process in
            let slow = try Ranks(count: 2, of: folder.file("run"))[1]
            // Four fifths of the time it stands still.
            while process.isRunning && kill(slow, SIGSTOP) == 0 {
                usleep(80_000)
                kill(slow, SIGCONT)
                usleep(20_000)
            }
        }
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(result.output.contains("note: rank 1 computed for"), "\(result.output)")
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: 2500, keyBiases: true) }
        #expect(try weights("run") == weights("whole"))
    }

    @Test("a wall clock that jumps by days changes nothing: no deadline rests on it")
    func clockJumps() throws {
        let folder = try TemporaryDirectory()
        func arguments(_ name: String) -> [String] {
            SmallRun.arguments(folder.file(name), epochs: 4, images: 1600) + [
                "--checkpoint-every", "1", "--stall-timeout", "5",
            ]
        }
        let whole = try Program.run(arguments("whole"), ranks: 2)
        #expect(whole.exitCode == 0, "\(whole.errors)")
        let result = try Program.run(
            arguments("run"), ranks: 2,
            environment: ["LD_PRELOAD": Program.library("FaultInjector"), "FAULT_CLOCK": "1"])
        #expect(result.exitCode == 0 && result.messages.isEmpty, "\(result.errors)")
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: 800, keyBiases: true) }
        #expect(try weights("run") == weights("whole"))
        struct Line: Decodable { let images_per_second: Double }
        let log = try String(contentsOfFile: folder.file("run/log.txt"), encoding: .utf8).split(separator: "\n")
        let speeds = try log.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)).images_per_second }
        #expect(speeds.count == 4 && speeds.allSatisfy { $0 > 100 && $0 < 1e7 }, "\(speeds)")
    }
}
