import Foundation
import Testing

@Suite("Numbers on the command line")
struct NumberFlagTests {
    /// Options whose value is no number; those with a list of words are known as such.
    static let texts: Set<String> = [
        "model", "data-path", "recipe", "output-dir", "resume", "timeline", "device", "log-dir", "dist-url",
        "bench-json", "classes", "cache-dir", "stage",
    ]
    /// What these may be depends on the images, which are looked at when something is run.
    static let ofTheImages: Set<String> = ["mean", "std"]
    static let values = ["inf", "nan", "-1", "0", "1e400", "", "9223372036854775807", "99999999999999999999"]

    /// Of a run that can be looked over in no time.
    static let run =
        SmallRun.model + [
            "--data-path", "synthetic", "--synthetic-images", "512", "--threads", "1", "--output-dir", "",
        ]

    private static func numbers(of command: String) throws -> [String] {
        try FlagList.of(command).filter { !$0.isSwitch && $0.allValues == nil && !texts.contains($0.name) }.map(\.name)
    }

    @Test("any number for any flag of pretrain is accepted or refused in one line that names the flag")
    func pretrain() throws {
        let flags = try Self.numbers(of: "pretrain")
        #expect(flags.count > 40 && flags.contains("epochs") && flags.contains("stall-timeout"), "\(flags)")
        for flag in flags {
            for value in Self.values {
                let result = try Program.run(Self.run + ["--print-config", "--\(flag)", value])
                try Self.expect(result, flag, value)
                guard result.exitCode == 0 else { continue }
                // What may be printed may be run too, as far as the first step.
                let dry = try Program.run(Self.run + ["--dry-run", "--\(flag)", value])
                if Self.ofTheImages.contains(flag) {
                    try Self.expect(dry, flag, value)
                } else {
                    #expect(dry.exitCode == 0, "--\(flag) '\(value)': \(dry.errors)")
                }
            }
        }
    }

    @Test("any number for any flag of plan is accepted or refused in one line that names the flag")
    func plan() throws {
        let ofRuns = Set(try Self.numbers(of: "pretrain"))
        let flags = try Self.numbers(of: "plan").filter { !ofRuns.contains($0) }
        #expect(flags.contains("bandwidth") && flags.contains("seconds-per-update"), "\(flags)")
        let plan =
            ["plan", "--seconds-per-image", "0.01", "--nodes", "1,2", "--images", "100000"] + SmallRun.model
        for flag in flags {
            for value in Self.values { try Self.expect(Program.run(plan + ["--\(flag)", value]), flag, value) }
        }
    }

    @Test(
        "any number for any flag of bench and debug is accepted or refused in one line that names the flag",
        arguments: [("bench", "warmup-steps"), ("debug", "lr")])
    func others(_ command: String, has known: String) throws {
        let ofRuns = Set(try Self.numbers(of: "pretrain")).subtracting([
            "batch-size", "accum-iter", "lr", "weight-decay", "threads",
        ])
        let flags = try Self.numbers(of: command).filter { !ofRuns.contains($0) }
            .filter { !["weights", "batch", "dump"].contains($0) }
        #expect(flags.contains(known) && flags.contains("batch-size"), "\(flags)")
        let base = [command, "--threads", "1", "--batch-size", "4"] + SmallRun.model
        for flag in flags {
            for value in Self.values { try Self.expect(Program.run(base + ["--\(flag)", value]), flag, value) }
        }
    }

    private static func expect(_ result: Program.Result, _ flag: String, _ value: String) throws {
        #expect([0, 64].contains(result.exitCode), "--\(flag) '\(value)': \(result.exitCode) \(result.errors)")
        guard result.exitCode != 0 else { return }
        #expect(result.messages.count == 1, "--\(flag) '\(value)': \(result.errors)")
        #expect(result.messages.first?.contains("--\(flag)") == true, "--\(flag) '\(value)': \(result.errors)")
    }
}
