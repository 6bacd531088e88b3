import Safetensors
import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite("Images without labels are pretrained on", .serialized)
struct UnlabelledTests {
    /// 64 images of 16×16, as IDX.
    private func images(_ folder: TemporaryDirectory, labelled: Bool = false) throws -> String {
        let directory = folder.file("data")
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let pixels = (0..<64 * 256).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
        try (Data([0, 0, 8, 3, 0, 0, 0, 64, 0, 0, 0, 16, 0, 0, 0, 16]) + pixels)
            .write(to: URL(fileURLWithPath: "\(directory)/train-images-idx3-ubyte"))
        if labelled {
            try (Data([0, 0, 8, 1, 0, 0, 0, 64]) + (0..<64).map { UInt8($0 % 10) })
                .write(to: URL(fileURLWithPath: "\(directory)/train-labels-idx1-ubyte"))
        }
        return directory
    }

    private func arguments(_ folder: TemporaryDirectory, _ name: String, data: String) -> [String] {
        SmallRun.arguments(folder.file(name), epochs: 4, batch: 16)
            + ["--data-path", data, "--in-chans", "1", "--checkpoint-every", "1"]
    }

    private func log(_ folder: TemporaryDirectory, _ name: String) throws -> [[String: Double]] {
        try String(contentsOfFile: folder.file("\(name)/log.txt"), encoding: .utf8).split(separator: "\n").map {
            let object = try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Double])
            return object.filter { $0.key != "images_per_second" }
        }
    }

    @Test("no classifier, no figures of one, said once", arguments: [nil, 2])
    func withoutLabels(ranks: Int?) throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(arguments(folder, "run", data: images(folder)), ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(result.output.components(separatedBy: "note: no labels: no online classifier").count == 2)
        #expect(!result.output.contains("acc") && result.output.contains("effective rank"))
        let lines = try log(folder, "run")
        #expect(lines.count == 4)
        for line in lines {
            #expect(line["train_acc"] == nil && line["train_loss_ce"] == nil)
            #expect(line["train_loss"] != nil && line["effective_rank"] != nil)
        }
        let weights = try SafetensorsFile(path: folder.file("run/checkpoint-00000016/model.safetensors"))
        #expect(!weights.names.isEmpty && !weights.names.contains { $0.hasPrefix("fc.") })
    }

    @Test("the autoencoder's weights are those of the same images with labels")
    func sameWeights() throws {
        let folder = try TemporaryDirectory()
        for (name, labelled) in [("without", false), ("with", true)] {
            let result = try Program.run(
                arguments(folder, name, data: images(folder, labelled: labelled)) + ["--reg", "koleo"])
            #expect(result.exitCode == 0, "\(result.errors)")
            #expect(result.output.contains("no online classifier") != labelled)
        }
        let files = try ["without", "with"].map {
            try SafetensorsFile(path: folder.file("\($0)/checkpoint-00000016/model.safetensors"))
        }
        #expect(files[1].names.contains("fc.weight"))
        for name in files[0].names { #expect(try files[0].floats(name) == files[1].floats(name), "\(name)") }
    }

    @Test("resumed, and with the same bits at any number of ranks")
    func resumedDeterministically() throws {
        let folder = try TemporaryDirectory()
        let data = try images(folder)
        func run(_ name: String, ranks: Int?, _ more: [String] = []) throws {
            let result = try Program.run(
                arguments(folder, name, data: data) + ["--deterministic"] + more, ranks: ranks)
            #expect(result.exitCode == 0, "\(result.errors)")
        }
        try run("whole", ranks: nil)
        try run("parts", ranks: 4)
        try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-00000016"))
        try run("parts", ranks: 2, ["--resume", "auto"])
        for file in ["model.safetensors", "optimizer.safetensors"] {
            let content = try ["whole", "parts"].map {
                try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0)/checkpoint-00000016/\(file)")))
            }
            #expect(content[0] == content[1], "\(file)")
        }
        #expect(try log(folder, "parts") == log(folder, "whole"))
    }
}
