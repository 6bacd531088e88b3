import Foundation
import Testing

/// Ranks that stop, die or drift: the run ends, says why, and leaves what it had saved.
@Suite("A rank that fails does not leave the others waiting", .serialized)
struct FaultTests {
    /// The processes of a run's ranks, in no particular order.
    private func ranks(of launcher: Process) -> [pid_t] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.compactMap { pid_t($0) }.filter { process in
            let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
            return status.split(separator: "\n").contains("PPid:\t\(launcher.processIdentifier)")
        }
    }

    /// A checkpoint gets its name when it is whole.
    private func hasCheckpoint(_ run: String) -> Bool {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: run)) ?? []
        return names.contains { $0.hasPrefix("checkpoint-") && !$0.contains(".") }
    }

    /// Waits until the run has a checkpoint, then does something to one of its ranks.
    private func run(_ folder: TemporaryDirectory, _ more: [String], _ harm: @escaping (pid_t) -> Void) throws
        -> Program.Result
    {
        try Program.run(
            SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400, batch: 9) + [
                "--checkpoint-every", "1",
            ] + more,
            ranks: 3, timeout: 60
        ) { process in
            let deadline = Date().addingTimeInterval(30)
            while !hasCheckpoint(folder.file("run")) && Date() < deadline { usleep(20_000) }
            let victims = ranks(of: process)
            try #require(victims.count == 3)
            harm(victims[1])
        }
    }

    @Test("a rank that is stopped is named, and the run ends")
    func stopped() throws {
        let folder = try TemporaryDirectory()
        var victim: pid_t = 0
        let result = try run(folder, ["--stall-timeout", "3"]) {
            victim = $0
            kill($0, SIGSTOP)
        }
        #expect(result.exitCode != 0)
        let line = result.messages.first { $0.contains("no progress for 3 s") } ?? ""
        #expect(line.contains("process \(victim)") && line.contains("no sign of life"), "\(result.errors)")
        #expect(line.contains("MPI_"), "says where the others wait: \(line)")
        let deadline = Date().addingTimeInterval(5)
        while kill(victim, 0) == 0 && Date() < deadline { usleep(50_000) }
        #expect(kill(victim, 0) != 0, "the stopped rank is gone too")
    }

    @Test("a rank that is killed ends the run; the last checkpoint is whole", arguments: [SIGKILL, SIGSEGV])
    func killed(signal: Int32) throws {
        let folder = try TemporaryDirectory()
        let result = try run(folder, []) { kill($0, signal) }
        #expect(result.exitCode != 0)
        let resumed = try Program.run(
            SmallRun.arguments(folder.file("run"), epochs: 100_000, images: 400, batch: 9) + [
                "--resume", "auto", "--dry-run",
            ])
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
    }
}
