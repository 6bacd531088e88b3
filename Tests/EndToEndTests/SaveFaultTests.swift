import Foundation
import TestSupport
import Testing

/// What can happen around a save.
@Suite("A save that is disturbed loses nothing but what came after the last checkpoint", .serialized)
struct SaveFaultTests {
    /// A run of 12 epochs of 8 steps that saves after each.
    private func arguments(_ output: String, _ more: [String] = []) -> [String] {
        SmallRun.arguments(output, epochs: 12, images: 64) + ["--checkpoint-every", "1"] + more
    }
    private let lastStep = 96

    /// A file system that takes its time, so that a test comes to every stage of a save.
    private var slowDisk: [String: String] {
        get throws { ["LD_PRELOAD": try Program.library("FaultInjector"), "FAULT_SLOW_SYNC": "50"] }
    }

    /// Whether a checkpoint is being written and its writer has come to this file, or its directory. What a run that was
    /// killed has left behind is older than `start`.
    private func isSaving(_ run: String, _ file: String? = nil, since start: Date = .distantPast) -> Bool {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: run)) ?? []
        return names.contains { name in
            guard name.hasSuffix(".partial") && name.hasPrefix("checkpoint-") else { return false }
            let path = "\(run)/\(name)" + (file.map { "/\($0)" } ?? "")
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            return (attributes?[.modificationDate] as? Date).map { $0 >= start } ?? false
        }
    }

    @Test("killed at every stage of a save, and resumed each time, a run ends with the same bits")
    func killedWhileSaving() throws {
        let folder = try TemporaryDirectory()
        let whole = try Program.run(arguments(folder.file("whole")), ranks: 2)
        #expect(whole.exitCode == 0, "\(whole.errors)")
        let run = folder.file("run")
        var kills = 0
        for stage in [nil, "model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"] {
            let start = Date()
            let result = try Program.run(
                arguments(run, ["--resume", "auto"]), ranks: 2, environment: slowDisk
            ) { process in
                let writer = try Ranks(count: 2, of: run)[0]
                try wait { isSaving(run, stage, since: start) || !process.isRunning }
                kill(writer, SIGKILL)
            }
            #expect(result.exitCode != 0 || fileExists("\(run)/checkpoint-000000\(lastStep)"))
            kills += result.exitCode != 0 ? 1 : 0
            #expect(!result.output.contains("skipping"), "no checkpoint is damaged: \(result.output)")
        }
        #expect(kills >= 4, "\(kills) of 5 runs were killed")
        let last = try Program.run(arguments(run, ["--resume", "auto"]), ranks: 2)
        #expect(last.exitCode == 0, "\(last.errors)")
        #expect(!last.output.contains("skipping"), "\(last.output)")
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: lastStep, keyBiases: true) }
        #expect(try weights("run") == weights("whole"))
    }

    @Test("a signal to save during a save: both are whole, and the run goes on as if nothing had been")
    func signalWhileSaving() throws {
        let folder = try TemporaryDirectory()
        let whole = try Program.run(arguments(folder.file("whole")), ranks: 2)
        #expect(whole.exitCode == 0, "\(whole.errors)")
        let run = folder.file("run")
        let stopped = try Program.run(arguments(run), ranks: 2, environment: slowDisk) { process in
            try wait { isSaving(run) }
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(stopped.exitCode == 85, "\(stopped.errors)")
        let resumed = try Program.run(arguments(run, ["--resume", "auto"]), ranks: 2)
        #expect(resumed.exitCode == 0 && !resumed.output.contains("skipping"), "\(resumed.errors)\(resumed.output)")
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: lastStep, keyBiases: true) }
        #expect(try weights("run") == weights("whole"))
    }

    @Test(
        "a checkpoint that was due when the next step fails on all ranks is written before they leave",
        arguments: [1, 2])
    func dueWhenStepFails(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        // One step an epoch and a rate that the second step's loss does not survive: the first one's checkpoint is only
        // asked for when that step begins.
        let result = try Program.run(
            SmallRun.arguments(run, epochs: 9, images: 8) + [
                "--lr", "1e30", "--warmup-epochs", "0", "--checkpoint-every", "1",
            ], ranks: ranks)
        #expect(result.exitCode == 1 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("not finite at step 2") == true, "\(result.errors)")
        #expect(result.output.contains("saved \(run)/checkpoint-00000001"), "\(result.output)")
        let names = try FileManager.default.contentsOfDirectory(atPath: run).filter { $0.hasPrefix("checkpoint") }
        #expect(names == ["checkpoint-00000001"], "\(names)")
    }

    struct Signals: CustomTestStringConvertible, Sendable {
        let names: String
        let numbers: [Int32]
        /// Whether mpirun leaves the time to save.
        let saves: Bool
        var testDescription: String { names }
    }

    @Test(
        "a second signal while the first is obeyed: the run ends, and the last checkpoint is whole",
        arguments: [
            Signals(names: "SIGUSR1, SIGUSR1", numbers: [SIGUSR1, SIGUSR1], saves: true),
            Signals(names: "SIGUSR1, SIGUSR2", numbers: [SIGUSR1, SIGUSR2], saves: true),
            Signals(names: "SIGUSR1, SIGTERM", numbers: [SIGUSR1, SIGTERM], saves: false),
            Signals(names: "SIGTERM, SIGTERM", numbers: [SIGTERM, SIGTERM], saves: false),
        ])
    func secondSignal(_ signals: Signals) throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        let result = try Program.run(arguments(run), ranks: 2, environment: slowDisk) { process in
            try wait { fileExists("\(run)/checkpoint-00000008") }
            for number in signals.numbers {
                kill(process.processIdentifier, number)
                usleep(10_000)
            }
        }
        #expect(signals.saves ? result.exitCode == 85 : result.exitCode != 0, "\(result.exitCode) \(result.errors)")
        let resumed = try Program.run(arguments(run, ["--resume", "auto", "--dry-run"]))
        #expect(resumed.exitCode == 0 && !resumed.output.contains("skipping"), "\(resumed.errors)\(resumed.output)")
    }

    @Test("a second signal to a single process while the first is obeyed", arguments: [SIGTERM, SIGUSR1])
    func secondSignalAlone(number: Int32) throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        let result = try Program.run(arguments(run), environment: slowDisk) { process in
            try wait { fileExists("\(run)/checkpoint-00000008") }
            for _ in 0..<2 { kill(process.processIdentifier, number) }
        }
        #expect(result.exitCode == 85, "\(result.errors)")
    }

    // MARK: Checkpoints that are damaged

    enum Damage: String, CaseIterable { case truncated, bitFlipped, foreignFile, noManifest, emptied }

    private func damage(_ checkpoint: String, _ kind: Damage) throws {
        let model = URL(fileURLWithPath: "\(checkpoint)/model.safetensors")
        var bytes = try Data(contentsOf: model)
        switch kind {
        case .truncated: try bytes.prefix(bytes.count / 2).write(to: model)
        case .bitFlipped:
            bytes[bytes.count / 2] ^= 0x10
            try bytes.write(to: model)
        case .foreignFile: try Data("\u{89}PNG, not tensors".utf8).write(to: model)
        case .noManifest: try FileManager.default.removeItem(atPath: "\(checkpoint)/manifest.json")
        case .emptied: try Data().write(to: URL(fileURLWithPath: "\(checkpoint)/state.json"))
        }
    }

    @Test(
        "a damaged checkpoint is passed over with a note; where all are, nothing begins anew",
        arguments: Damage.allCases)
    func damaged(_ kind: Damage) throws {
        let folder = try TemporaryDirectory()
        let run = folder.file("run")
        let first = try Program.run(SmallRun.arguments(run, epochs: 2, images: 16) + ["--checkpoint-every", "1"])
        #expect(first.exitCode == 0, "\(first.errors)")
        try damage("\(run)/checkpoint-00000004", kind)
        let more = SmallRun.arguments(run, epochs: 2, images: 16) + ["--resume", "auto"]
        let resumed = try Program.run(more + ["--dry-run"], ranks: 2)
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
        #expect(resumed.output.contains("skipping the checkpoint of step 4"), "\(resumed.output)")
        #expect(resumed.output.contains("resume   \(run)/checkpoint-00000002"), "\(resumed.output)")

        try damage("\(run)/checkpoint-00000002", kind)
        let refused = try Program.run(more, ranks: 2)
        #expect(refused.exitCode != 0 && refused.messages.count == 1, "\(refused.errors)")
        #expect(refused.messages.first?.contains("\(run) holds no undamaged checkpoint") == true, "\(refused.errors)")
        #expect(fileExists("\(run)/checkpoint-00000002/model.safetensors"))
    }

    @Test("a checkpoint of another program, seed or data is refused by name", arguments: ["seed", "data"])
    func foreign(_ what: String) throws {
        let folder = try TemporaryDirectory()
        let arguments = SmallRun.arguments(folder.file("run"), epochs: 2, images: 16)
        #expect(try Program.run(arguments + ["--checkpoint-every", "1"]).exitCode == 0)
        let other = what == "seed" ? ["--seed", "8"] : ["--synthetic-images", "24"]
        let result = try Program.run(arguments + other + ["--epochs", "3", "--resume", "auto"], ranks: 2)
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        // Synthetic images are drawn from the seed too.
        let mentions = what == "seed" ? "seed 7, this run has 8" : "other images"
        #expect(result.messages.first?.contains(mentions) == true, "\(result.errors)")
    }
}
