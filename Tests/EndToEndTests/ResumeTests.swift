import Foundation
import TestSupport
import Testing

@Suite("A run that is stopped goes on as if it had not been", .serialized)
struct ResumeTests {
    @Test(
        "stopped by SIGUSR1 mid-epoch and resumed, a run ends with the same bits", arguments: [1, 2], ["fp32", "auto"])
    func bitExact(ranks: Int, precision: String) throws {
        let folder = try TemporaryDirectory()
        let arguments = { (name: String) in
            SmallRun.arguments(folder.file(name), epochs: 3, images: 400) + ["--precision", precision]
        }
        let whole = try Program.run(arguments("whole"), ranks: ranks)
        #expect(whole.exitCode == 0, "\(whole.errors)")

        let gate = LogGate(in: folder)
        let said = folder.file("said")
        let stopped = try Program.run(
            arguments("parts"), ranks: ranks, environment: gate.environment, errors: said
        ) { process in
            try wait { fileExists(folder.file("parts/log.txt")) }
            kill(process.processIdentifier, SIGUSR1)
            try wait { text(of: said).contains("SIGUSR1: saving after this step") }
            try gate.open()
        }
        #expect(stopped.exitCode == 85, "\(stopped.errors)")
        let steps = try Self.checkpointSteps(folder.file("parts"))
        #expect(steps.count == 1 && steps[0] < 100, "stopped at \(steps)")

        let resumed = try Program.run(arguments("parts") + ["--resume", "auto"], ranks: ranks)
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: 150, keyBiases: true) }
        #expect(try weights("parts") == weights("whole"))
        #expect(try Self.logWithoutSpeed(folder.file("parts")) == Self.logWithoutSpeed(folder.file("whole")))
    }

    @Test("SIGTERM to a single process saves and exits with 85")
    func terminate() throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(SmallRun.arguments(folder.file("run"), epochs: 50, images: 4000)) { process in
            try wait { fileExists(folder.file("run/log.txt")) }
            kill(process.processIdentifier, SIGTERM)
        }
        #expect(result.exitCode == 85)
        #expect(try Self.checkpointSteps(folder.file("run")).count == 1)
        #expect(result.output.contains("go on with --output-dir \(folder.file("run")) --resume auto"))
        #expect(result.errors == "umae-dist: SIGTERM: saving after this step\n")
    }

    @Test("a checkpoint of 2 ranks resumes at 1 with the same samples next")
    func otherRankCount() throws {
        let folder = try TemporaryDirectory()
        _ = try Program.run(SmallRun.arguments(folder.file("whole"), epochs: 2) + ["--checkpoint-every", "1"])
        // The same schedule, stopped after the first epoch by taking away the second checkpoint.
        _ = try Program.run(
            SmallRun.arguments(folder.file("parts"), epochs: 2) + ["--checkpoint-every", "1"], ranks: 2)
        try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-00000040"))
        let resumed = try Program.run(SmallRun.arguments(folder.file("parts"), epochs: 2) + ["--resume", "auto"])
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
        let error = relativeError(
            try SmallRun.weights(folder.file("parts"), step: 40), try SmallRun.weights(folder.file("whole"), step: 40))
        // The first epoch's sums were formed over two ranks: rounding.
        #expect(error < 1e-5, "relative error \(error)")
    }

    private static func checkpointSteps(_ run: String) throws -> [Int] {
        try FileManager.default.contentsOfDirectory(atPath: run).compactMap {
            $0.hasPrefix("checkpoint-") ? Int($0.dropFirst("checkpoint-".count)) : nil
        }
    }

    /// The log's figures that a repeated run must repeat.
    private static func logWithoutSpeed(_ run: String) throws -> [String] {
        try String(contentsOfFile: "\(run)/log.txt", encoding: .utf8).split(separator: "\n").map { line in
            line.split(separator: ",").filter { !$0.contains("images_per_second") }.joined(separator: ",")
        }
    }
}
