import Safetensors
import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite("AdamW counts the updates that its moments have seen", .serialized)
struct OptimizerUpdateTests {
    private func state(_ folder: TemporaryDirectory, _ name: String, step: Int) throws -> [String: Any] {
        let digits = String(repeating: "0", count: 8 - "\(step)".count) + "\(step)"
        let path = folder.file("\(name)/checkpoint-\(digits)/state.json")
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
        return try #require(object as? [String: Any])
    }

    private func norms(_ folder: TemporaryDirectory, _ name: String, step: Int) throws -> [Float] {
        let file = try SafetensorsFile(path: folder.file("\(name)/checkpoint-0000000\(step)/model.safetensors"))
        return try file.floats("blocks.0.norm1.bias") + file.floats("decoder_norm.bias")
    }

    /// m̂/√v̂ of the first update is the sign of the gradient: weights that do not decay move by the rate. Counted from
    /// the schedule's step, the first would be 0.56 of that in epoch 3.
    @Test("the first update after --start-epoch is as large as the rate", arguments: [nil, 2])
    func startEpoch(ranks: Int?) throws {
        let folder = try TemporaryDirectory()
        let first = SmallRun.arguments(folder.file("first"), epochs: 1, images: 16, batch: 16)
        #expect(try Program.run(first + ["--lr", "0"]).exitCode == 0)
        let late = SmallRun.arguments(folder.file("late"), epochs: 4, images: 16, batch: 16)
        let result = try Program.run(late + ["--start-epoch", "3"], ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        let log = try String(contentsOfFile: folder.file("late/log.txt"), encoding: .utf8)
        let line = try #require(JSONSerialization.jsonObject(with: Data(log.utf8)) as? [String: Any])
        let rate = try #require(line["train_lr"] as? Double)
        #expect(rate > 0)
        let (before, after) = (try norms(folder, "first", step: 1), try norms(folder, "late", step: 4))
        for (old, new) in zip(before, after) { #expect(abs(abs(Double(new - old)) / rate - 1) < 1e-3) }
        #expect(try state(folder, "late", step: 4)["optimizerUpdates"] as? Int == 1)
    }

    @Test("a run that goes on counts on")
    func resumed() throws {
        let folder = try TemporaryDirectory()
        func run(_ name: String, _ more: [String]) throws {
            let arguments = SmallRun.arguments(folder.file(name), epochs: 4, images: 16, batch: 8)
            let result = try Program.run(arguments + ["--start-epoch", "1", "--checkpoint-every", "1"] + more)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        try run("whole", [])
        try run("parts", [])
        try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-00000008"))
        try run("parts", ["--resume", "auto"])
        #expect(try state(folder, "parts", step: 8)["optimizerUpdates"] as? Int == 6)
        let weights = try ["whole", "parts"].map {
            try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0)/checkpoint-00000008/model.safetensors")))
        }
        #expect(weights[0] == weights[1])
    }

    @Test("an update that is left out is not counted")
    func leftOut() throws {
        let folder = try TemporaryDirectory()
        // A rate of 0, so that losses only waver; most of those a little above the mean are called spikes.
        let arguments = SmallRun.arguments(folder.file("run"), epochs: 1, images: 160, batch: 2)
        let result = try Program.run(
            arguments + ["--lr", "0", "--spike-guard", "skip", "--spike-threshold", "1.5"])
        #expect(result.exitCode == 0, "\(result.errors)")
        let leftOut = result.output.split(separator: "\n").filter { $0.contains(" left out: ") }.count
        #expect(leftOut > 0)
        #expect(try state(folder, "run", step: 80)["optimizerUpdates"] as? Int == 80 - leftOut)
    }

    @Test("an infinite --clip-grad clips nothing")
    func infiniteClipping() throws {
        let folder = try TemporaryDirectory()
        for (name, more) in [("plain", []), ("infinite", ["--clip-grad", "inf"])] {
            let arguments = SmallRun.arguments(folder.file(name), images: 32, batch: 8)
            let result = try Program.run(arguments + more)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        let weights = try ["plain", "infinite"].map { try SmallRun.weights(folder.file($0), step: 4, keyBiases: true) }
        #expect(weights[0] == weights[1])
    }

    @Test("a least rate above the peak is refused with both")
    func leastRate() throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(SmallRun.arguments(folder.file("run")) + ["--min-lr", "0.5"])
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        for mention in ["--min-lr is 0.5", "0.001", "--lr"] {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
    }
}
