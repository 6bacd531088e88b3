import Foundation
import TestSupport
import Testing

/// Exit codes are what a batch script decides by: 0 done, 85 to be started again, 64 never to be, 1 failed.
@Suite("Exit codes are a contract", .serialized)
struct ExitCodeTests {
    private func endless(_ output: String) -> [String] { SmallRun.arguments(output, epochs: 100_000, images: 400) }

    @Test("a signal that comes while the program starts ends with 85, alone and under mpirun", arguments: [nil, 2])
    func earlySignal(ranks: Int?) throws {
        for microseconds in [5_000, 10_000, 20_000, 40_000] as [UInt32] {
            let folder = try TemporaryDirectory()
            let result = try Program.run(
                endless(folder.file("run")), ranks: ranks, environment: Program.endingTogether
            ) { process in
                // Once the program itself is there: before that nobody can catch anything for it.
                let processes =
                    try ranks.map { try Ranks(count: $0, of: folder.file("run")).processes }
                    ?? [process.processIdentifier]
                for each in processes { try wait { Self.catchesUserSignals(each) } }
                usleep(microseconds)
                kill(process.processIdentifier, SIGUSR1)
                // mpirun passes a signal on only when it is ready for it, so it may have to be repeated: to the ranks
                // themselves, for one that finds them gone would end mpirun.
                while processes.allSatisfy(Self.catchesUserSignals) {
                    for _ in 0..<40 where processes.allSatisfy(Self.catchesUserSignals) { usleep(50_000) }
                    for each in processes { kill(each, SIGUSR1) }
                }
            }
            #expect(result.exitCode == 85, "\(result.exitCode) \(result.errors) \(result.output)")
            #expect(result.output.contains("go on with --output-dir"), "\(result.output)")
        }
    }

    /// Whether the process has a handler for SIGUSR1, from /proc/PID/status.
    private static func catchesUserSignals(_ process: pid_t) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigCgt:") }),
            let mask = UInt64(line.dropFirst("SigCgt:".count).trimmingCharacters(in: .whitespaces), radix: 16)
        else { return false }
        return mask & 1 << UInt64(SIGUSR1 - 1) != 0
    }

    @Test("where nothing is kept a signal ends with 1, so that nothing is started again for ever")
    func nothingKept() throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(endless(""), output: folder.file("said")) { process in
            try wait {
                (try? String(contentsOfFile: folder.file("said"), encoding: .utf8))?.contains("epoch 0 done") == true
            }
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(
            result.exitCode == 1 && result.output.contains("nothing is kept"), "\(result.exitCode) \(result.output)")
    }

    @Test("a run that is finished and started again is done: 0, and nothing is changed", arguments: [nil, 2])
    func finished(ranks: Int?) throws {
        let folder = try TemporaryDirectory()
        let arguments = SmallRun.arguments(folder.file("run"), images: 16)
        #expect(try Program.run(arguments, ranks: ranks).exitCode == 0)
        let before = try RunDirectoryTests.picture(of: folder.path)
        let again = try Program.run(arguments + ["--resume", "auto"], ranks: ranks)
        #expect(again.exitCode == 0 && again.output.contains("nothing to do: "), "\(again.errors)\(again.output)")
        #expect(try RunDirectoryTests.picture(of: folder.path) == before)
    }

    @Test("a timeline that cannot be written changes no exit code", arguments: [1, 2])
    func timeline(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let place = folder.file("timelines")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let stopped = try Program.run(
            endless(folder.file("run")) + ["--timeline", "\(place)/t.json"], ranks: ranks
        ) { process in
            try wait { fileExists(folder.file("run/log.txt")) }
            try FileManager.default.removeItem(atPath: place)
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(stopped.exitCode == 85, "\(stopped.errors)")
        #expect(stopped.output.contains("note: there is no timeline: "), "\(stopped.output)")
    }

    @Test(
        "what can never work is 64, whoever finds it",
        arguments: [
            ["--epochs", "x"], ["--epochs", "0"], ["--patch-size", "5"], ["--resume", "auto"], ["--no-such-flag"],
            ["--reg", "entropy"], ["bench", "--accum-iter", "0"], ["debug", "--accum-iter", "0"],
        ])
    func usage(arguments: [String]) throws {
        let folder = try TemporaryDirectory()
        let more = ["bench", "debug"].contains(arguments[0]) ? [] : ["--data-path", "synthetic"]
        for ranks in [nil, 2] {
            let result = try Program.run(
                arguments + more, ranks: ranks, environment: Program.endingTogether, directory: folder.path)
            #expect(result.exitCode == 64 && result.messages.count == 1, "\(result.exitCode) \(result.errors)")
        }
        #expect(!fileExists(folder.file("runs")), "nothing is left behind")
    }

    @Test("what may work another time is 1")
    func passing() throws {
        let result = try Program.run(["--data-path", "/no/such/place", "--output-dir", ""])
        #expect(result.exitCode == 1, "\(result.errors)")
    }

    @Test("commands that have nothing to save are ended by a signal as others are")
    func otherCommands() throws {
        let result = try Program.run(["bench", "--steps", "1000000", "--threads", "1", "--batch-size", "1"]) {
            process in
            usleep(500_000)
            kill(process.processIdentifier, SIGTERM)
        }
        #expect(result.exitCode == SIGTERM, "Process reports the signal: \(result.exitCode)")
    }
}
