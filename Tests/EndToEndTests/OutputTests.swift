import Foundation
import TestSupport
import Testing

/// What people see is never the run's business: whoever reads it may go away.
@Suite("Output that cannot be written ends no run", .serialized)
struct OutputTests {
    /// Runs the program with its output as a shell line has it; the run has 20 epochs of 2 steps.
    private func run(_ redirection: String, in folder: TemporaryDirectory) throws -> Program.Result {
        try Program.launch(
            ["bash", "-c", "set -o pipefail; \"$@\" \(redirection)", "bash", Program.path]
                + SmallRun.arguments(folder.file("run"), epochs: 20, images: 16))
    }

    @Test(
        "a reader that went away, a full disk, closed streams: the run ends as it should, and what it saved is whole",
        arguments: [
            "| head -n 1", "> /dev/full", "> /dev/full 2>&1", ">&-", "2>&-", "<&- >&- 2>&-", "> >(exit)",
        ])
    func unwritable(redirection: String) throws {
        let folder = try TemporaryDirectory()
        let result = try run(redirection, in: folder)
        #expect(result.exitCode == 0, "\(result.errors)")
        let again = try Program.run(
            SmallRun.arguments(folder.file("run"), epochs: 21, images: 16) + ["--resume", "auto", "--dry-run"])
        #expect(again.exitCode == 0, "\(again.errors)")
        #expect(again.output.contains("checkpoint-00000040") && !again.output.contains("skipping"), "\(again.output)")
    }

    @Test("help and messages that nobody reads change no exit code")
    func messages() throws {
        for (line, code) in [("\"$0\" pretrain --help > /dev/full", Int32(0)), ("\"$0\" --epochs x 2> /dev/full", 64)] {
            let result = try Program.launch(["bash", "-c", line, Program.path])
            #expect(result.exitCode == code, "\(line): \(result.errors)")
        }
    }

    @Test("a terminal that is closed: with SIGHUP ignored the run goes on, otherwise it saves and exits with 85")
    func terminal() throws {
        // As nohup does, which would also send the output elsewhere.
        let deaf = ["bash", "-c", "trap '' HUP; exec \"$@\"", "bash"]
        for (prefix, code) in [(deaf, Int32(0)), ([], 85)] {
            let folder = try TemporaryDirectory()
            var (terminal, screen): (Int32, Int32) = (-1, -1)
            try #require(unsafe openpty(&terminal, &screen, nil, nil, nil) == 0)
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            // A session of its own, so that the terminal is its controlling one.
            process.arguments =
                ["setsid", "--ctty", "--wait"] + prefix + [Program.path]
                + SmallRun.arguments(folder.file("run"), epochs: 20, images: 80)
            let handle = FileHandle(fileDescriptor: screen, closeOnDealloc: true)
            process.standardInput = handle
            process.standardOutput = handle
            process.standardError = handle
            // mpirun's absence, and a terminal that can renew lines.
            let gate = LogGate(in: folder)
            process.environment = try ProcessInfo.processInfo.environment.merging(["TERM": "xterm"]) { $1 }
                .merging(gate.environment) { $1 }
            try process.run()
            try handle.close()
            try wait { fileExists(folder.file("run/log.txt")) }
            close(terminal)
            try gate.open()
            process.waitUntilExit()
            #expect(process.terminationStatus == code, "\(prefix)")
            let again = try Program.run(
                SmallRun.arguments(folder.file("run"), epochs: 30, images: 80) + ["--resume", "auto", "--dry-run"])
            #expect(again.exitCode == 0 && again.output.contains("resume   "), "\(again.errors)\(again.output)")
        }
    }

    @Test("a reader that stops reading does not stop the run")
    func stuckReader() throws {
        let folder = try TemporaryDirectory()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Program.path)
        // More epochs than a pipe has room for, and nobody who reads.
        process.arguments = SmallRun.arguments(folder.file("run"), epochs: 1500, images: 16)
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(fileExists(folder.file("run/checkpoint-00003000/manifest.json")))
        try pipe.fileHandleForReading.close()
    }
}
