import Foundation
import TestSupport
import Testing

/// Mean and standard deviation that images are normalised with.
@Suite("Statistics of the images are computed once, or given, and kept", .serialized)
struct StatisticsTests {
    private struct State: Decodable {
        struct Configuration: Decodable {
            let mean: [Float]
            let standardDeviation: [Float]
        }
        let configuration: Configuration
    }

    private func state(_ run: String, step: Int) throws -> State.Configuration {
        let path = "\(run)/checkpoint-0000000\(step)/state.json"
        return try JSONDecoder().decode(State.self, from: Data(contentsOf: URL(fileURLWithPath: path))).configuration
    }

    private func line(_ result: Program.Result) throws -> String {
        #expect(result.exitCode == 0, "\(result.errors)")
        return String(try #require(result.output.split(separator: "\n").first { $0.hasPrefix("pixels ") }))
    }

    @Test("what is computed is the same on one rank and on several, and in the checkpoint")
    func computed() throws {
        let folder = try TemporaryDirectory()
        // Ten images are no multiple of the ranks.
        let lines = try [1, 3].map { (ranks: Int) in
            try line(
                Program.run(SmallRun.arguments(folder.file("\(ranks)"), images: 10, batch: 9), ranks: ranks))
        }
        let states = try [1, 3].map { try state(folder.file("\($0)"), step: 1) }
        #expect(states[0].mean == states[1].mean && states[0].standardDeviation == states[1].standardDeviation)
        #expect(states[0].mean.count == 2 && states[0].mean[0] != states[0].mean[1])
        #expect(lines[0] == lines[1] && lines[0].components(separatedBy: "(computed)").count == 3, "\(lines)")
    }

    @Test("what is given counts, and is known in the checkpoint even where it is not given again")
    func given() throws {
        let folder = try TemporaryDirectory()
        let run = SmallRun.arguments(folder.file("run"), images: 8)
        let first = try line(Program.run(run + ["--mean", "0.25,0.5", "--std", "0.125"]))
        #expect(first == "pixels   mean 0.25, 0.5 (given), deviation 0.125, 0.125 (given)")
        let saved = try state(folder.file("run"), step: 1)
        #expect(saved.mean == [0.25, 0.5] && saved.standardDeviation == [0.125, 0.125])
        let more = ["--resume", "auto", "--dry-run", "--epochs", "2"]
        // config.yaml has the flags, and so do those who go on with the run.
        #expect(try line(Program.run(run + more)) == first)
        let kept = try line(Program.run(run + more + ["--mean", "none", "--std", "none"], ranks: 2))
        #expect(kept == "pixels   mean 0.25, 0.5 (of the checkpoint), deviation 0.125, 0.125 (of the checkpoint)")
        let changed = try Program.run(run + more + ["--mean", "0.75"])
        #expect(try line(changed).hasPrefix("pixels   mean 0.75, 0.75 (given), deviation 0.125"))
        #expect(changed.output.contains("note: --mean 0.25,0.5 in the checkpoint, 0.75,0.75 now"), "\(changed.output)")
    }

    @Test("one of the two may be given, the other is then computed")
    func oneGiven() throws {
        let folder = try TemporaryDirectory()
        let computed = SmallRun.arguments(folder.file("computed"), images: 8)
        #expect(try Program.run(computed).exitCode == 0)
        let run = SmallRun.arguments(folder.file("run"), images: 8)
        #expect(try line(Program.run(run + ["--std", "0.5"])).contains("(computed), deviation 0.5, 0.5 (given)"))
        #expect(try state(folder.file("run"), step: 1).mean == state(folder.file("computed"), step: 1).mean)
    }

    @Test("images are normalised with what is given")
    func used() throws {
        let folder = try TemporaryDirectory()
        let flags = [
            "a": ["--mean", "0.5", "--std", "0.25"], "b": ["--mean", "0.5,0.5", "--std", "0.25,0.25"],
            "c": ["--mean", "0.5", "--std", "0.5"],
        ]
        for (name, flags) in flags {
            // The first of two steps has no learning rate yet.
            let result = try Program.run(SmallRun.arguments(folder.file(name), images: 16) + flags)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        let weights = { (name: String) in try SmallRun.weights(folder.file(name), step: 2, keyBiases: true) }
        #expect(try weights("a") == weights("b"))
        #expect(try weights("a") != weights("c"))
    }

    @Test(
        "values that no images can have are refused in one line",
        arguments: [
            (["--mean", "0.5,0.5,0.5"], "--mean has 3 values, and the images have 2 channels"),
            (["--std", "0.25,0.25,0.25"], "--std has 3 values"), (["--mean", "123.7"], "--mean is 123.7: it must be"),
            (["--std", "0"], "--std is 0.0: it must be"), (["--mean", "0.5,,0.5"], "--mean"),
            (["--mean", "0.5 0.5"], "--mean"), (["--mean", "-0.5"], "--mean is -0.5: it must be"),
            (["--std", "58"], "--std is 58.0: it must be"), (["--mean", "nan"], "--mean is nan: it must be"),
            (["--mean", "1e39"], "--mean is 1e+39: it must be"),
        ])
    func refused(_ flags: [String], mentions: String) throws {
        let result = try Program.run(SmallRun.arguments("", images: 8) + flags, ranks: 2)
        #expect(result.exitCode == 64 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains(mentions) == true, "\(result.messages)")
    }
}
