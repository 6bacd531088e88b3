import Foundation
import Host
import Safetensors
import TestSupport
import Tensors
import Testing

@Suite("What features are worth on test images", .serialized)
struct FeatureEvaluationTests {
    private func train(
        _ folder: TemporaryDirectory, _ name: String, data: String, ranks: Int? = nil, _ more: [String] = []
    ) throws -> Program.Result {
        let result = try Program.run(
            SmallRun.arguments(folder.file(name), epochs: 3, batch: 16)
                + ["--data-path", data, "--in-chans", "1"] + more, ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        return result
    }

    private func log(_ folder: TemporaryDirectory, _ name: String) throws -> [[String: Double]] {
        try String(contentsOfFile: folder.file("\(name)/log.txt"), encoding: .utf8).split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Double])
        }
    }

    private func json(_ arguments: [String], ranks: Int? = nil) throws -> [String: Double] {
        let result = try Program.run(arguments + ["--json", "--threads", "1", "--precision", "fp32"], ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        return try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Double])
    }

    @Test("are looked at after the last epoch, or more often, and training is the same")
    func whileTraining() throws {
        let folder = try TemporaryDirectory()
        let data = try StripedImages.write(to: folder)
        let usual = try train(folder, "usual", data: data)
        #expect(usual.output.contains("test accuracy     linear "))
        #expect(
            try log(folder, "usual").map { $0["test_linear"] != nil && $0["test_knn"] != nil } == [false, false, true])
        _ = try train(folder, "often", data: data, ["--eval-every", "1"])
        let never = try train(folder, "never", data: data, ["--eval-every", "0"])
        #expect(!never.output.contains("test accuracy"))
        #expect(try log(folder, "never").allSatisfy { $0["test_linear"] == nil })
        let lines = try log(folder, "often")
        #expect(lines.allSatisfy { ($0["test_linear"] ?? 0) > 0.4 && ($0["test_knn"] ?? 0) > 0.4 })
        let weights = try SmallRun.weights(folder.file("usual"), step: 18, keyBiases: true)
        for name in ["often", "never"] {
            #expect(try SmallRun.weights(folder.file(name), step: 18, keyBiases: true) == weights, "\(name)")
        }
    }

    @Test("are the same by the commands knn and linprobe, at any number of ranks, 37 test images among them")
    func commands() throws {
        let folder = try TemporaryDirectory()
        let data = try StripedImages.write(to: folder)
        _ = try train(folder, "run", data: data)
        let last = try #require(try log(folder, "run").last)
        for ranks in [nil, 2, 3] {
            // Each has its features from the images, and then from what the first has kept.
            for cache in ["", folder.file("features")] {
                let kept = ["--feature-cache", cache]
                let neighbors = try json(["knn", folder.file("run"), "--neighbors", "1,20"] + kept, ranks: ranks)
                #expect(neighbors["20"] == last["test_knn"])
                let linear = try Program.run(
                    ["linprobe", folder.file("run"), "--probe", "logistic", "--l2", "1e-4", "--json", "--threads", "1"]
                        + ["--precision", "fp32"] + kept, ranks: ranks)
                let figures = try JSONSerialization.jsonObject(with: Data(linear.output.utf8)) as? [String: Any]
                #expect(figures?["top1"] as? Double == last["test_linear"])
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("features")).count == 2)
        // Another feature is another one.
        let other = try Program.run([
            "knn", folder.file("run"), "--feature", "pooled", "--batch-size", "5", "--neighbors", "1",
        ])
        #expect(other.exitCode == 0 && other.output.contains("feature  pooled") && other.output.contains("k = 1 "))
    }

    @Test("embed, analyze and linprobe find the same at any number of ranks, and linprobe goes on where it stood")
    func otherCommands() throws {
        let folder = try TemporaryDirectory()
        let data = try StripedImages.write(to: folder)
        _ = try train(folder, "run", data: data, ["--eval-every", "0"])
        let run = folder.file("run")
        var embedded: [[Float]] = []
        var analyses: [[String: Any]] = []
        var heads: [[String: Any]] = []
        for ranks in [nil, 2, 3] {
            let name = "of\(ranks ?? 1)"
            let common = ["--feature-cache", "", "--threads", "1", "--precision", "fp32"]
            func output(_ arguments: [String]) throws -> String {
                let result = try Program.run(arguments + common, ranks: ranks)
                #expect(result.exitCode == 0, "\(result.errors)")
                return result.output
            }
            let files = try output([
                "embed", run, "--feature", "cls,pooled", "--blocks", "2", "--output-dir", folder.file(name),
            ])
            #expect(
                files.contains("cls [37, ") && files.contains("pooled-block-1 [96, ") && files.contains("labels [37]"))
            let file = try SafetensorsFile(path: folder.file("\(name)/test.safetensors"))
            #expect(file["labels"]?.dtype == .i64 && file["labels"]?.shape == [37])
            embedded.append(try ["cls", "cls-block-1", "pooled", "labels"].flatMap { try file.floats($0) })

            let analysis = try output(["analyze", run, "--mask-ratios", "0.5", "--lidar-images", "20", "--json"])
            let objects = try JSONSerialization.jsonObject(with: Data(analysis.utf8)) as? [[String: Any]]
            analyses.append(try #require(objects?.first))

            let arguments = [
                "linprobe", run, "--feature", "cls,pooled", "--blr", "1,30", "--effective-batch-size", "32",
                "--warmup-epochs", "1", "--json", "--output-dir", folder.file("probe-\(name)"),
            ]
            let whole = try output(arguments + ["--epochs", "6"])
            let figures = try JSONSerialization.jsonObject(with: Data(whole.utf8)) as? [String: Any]
            heads.append(try #require(figures))
            // Done already: the same again.
            #expect(try output(arguments + ["--epochs", "6"]) == whole)
            let other = try Program.run(arguments + ["--epochs", "7"] + common, ranks: ranks)
            #expect(other.exitCode == 64 && other.messages.count == 1 && other.errors.contains("another probe"))
        }
        try attentive(folder, run)
        try crops(folder, run)
        #expect(embedded.dropFirst().allSatisfy { $0 == embedded[0] })
        for other in heads.dropFirst() { #expect(other["top1"] as? Double == heads[0]["top1"] as? Double) }
        let figures = try analyses.map { analysis in
            let raw = try #require(analysis["raw"] as? [String: Any])
            let pairs = try #require(analysis["pairs"] as? [String: Any])
            let sweep = try #require((analysis["sweep"] as? [[String: Any]])?.first)
            return [
                raw["rank_me"], analysis["lidar"], pairs["uniformity"], sweep["alignment"], sweep["reconstruction"],
                sweep["labelling_error"],
            ].map { $0 as? Double ?? .nan }
        }
        for other in figures { #expect(zip(other, figures[0]).allSatisfy { abs($0 - $1) <= 1e-4 * abs($1) }) }
    }

    /// Images encoded anew in every epoch: alone, by two ranks, and in two goes.
    private func crops(_ folder: TemporaryDirectory, _ run: String) throws {
        func heads(_ name: String, ranks: Int?) throws -> [Float] {
            let result = try Program.run(
                [
                    "linprobe", run, "--augment", "crop", "--effective-batch-size", "32", "--warmup-epochs", "1",
                    "--epochs",
                    "3", "--blr", "5", "--json", "--threads", "1", "--precision", "fp32", "--output-dir",
                    folder.file(name),
                ], ranks: ranks)
            #expect(result.exitCode == 0, "\(result.errors)")
            return try SafetensorsFile(path: "\(folder.file(name))/linprobe.safetensors").floats("heads")
        }
        let alone = try heads("crops-1", ranks: nil)
        let together = try heads("crops-2", ranks: 2)
        #expect(zip(alone, together).allSatisfy { abs($0 - $1) < 1e-3 })
        #expect(try heads("crops-1", ranks: nil) == alone)
    }

    /// Alone and by two ranks.
    private func attentive(_ folder: TemporaryDirectory, _ run: String) throws {
        var weights: [[Float]] = []
        for ranks in [nil, 2] {
            let directory = folder.file("attentive-\(ranks ?? 1)")
            let arguments = [
                "linprobe", run, "--probe", "attentive", "--effective-batch-size", "32", "--warmup-epochs", "1",
                "--epochs",
                "3", "--blr", "0.02", "--json", "--threads", "1", "--precision", "fp32", "--output-dir", directory,
            ]
            let first = try Program.run(arguments, ranks: ranks)
            #expect(first.exitCode == 0, "\(first.errors)")
            weights.append(
                try SafetensorsFile(path: "\(directory)/attentive.safetensors").floats("head.weight"))
            // Done already: the same again.
            #expect(try Program.run(arguments, ranks: ranks).output == first.output)
        }
        #expect(weights[0].contains { $0 != 0 } && zip(weights[0], weights[1]).allSatisfy { abs($0 - $1) < 1e-3 })
    }

    @Test("what cannot be evaluated is said in one line")
    func refusals() throws {
        let folder = try TemporaryDirectory()
        let data = try StripedImages.write(to: folder, testLabels: false)
        // Without labels nothing is looked at, unless it is asked for.
        let quiet = try train(folder, "run", data: data)
        #expect(!quiet.output.contains("test accuracy"))
        let asked = try Program.run(
            SmallRun.arguments(folder.file("asked"), batch: 16)
                + ["--data-path", data, "--in-chans", "1", "--eval-every", "1"])
        #expect(asked.exitCode != 0 && asked.messages.count == 1 && asked.errors.contains("--eval-every"))
        #expect(!FileManager.default.fileExists(atPath: folder.file("asked")))
        let run = folder.file("run")
        for (arguments, mentions) in [
            (["knn", run], "labels"), (["knn", folder.file("nowhere")], "nowhere"), (["linprobe", data], "checkpoint"),
            (["knn", run, "--data-path", "synthetic", "--mean", "0.1,0.2"], "--mean has 2 values"),
            (["knn", run, "--neighbors", "0"], "neighbors"),
            (["knn", run, "--feature", "cls,pooled"], "--feature"),
            (["embed", run, "--blocks", "99"], "--blocks is 99"),
            (["linprobe", run, "--probe", "attentive", "--blr", "1,2", "--data-path", "synthetic"], "--blr has 2"),
            (["linprobe", run, "--l2", "1"], "--probe logistic"), (["analyze", run, "--mask-ratios", "1.5"], "1.5"),
            (["linprobe", run, "--epochs", "5", "--warmup-epochs", "5"], "--warmup-epochs"),
        ] {
            let result = try Program.run(arguments, ranks: 2, environment: Program.endingTogether)
            #expect(result.exitCode != 0 && result.messages.count == 1, "\(arguments): \(result.errors)")
            #expect(result.errors.contains(mentions), "\(arguments): \(result.errors)")
        }
    }

    @Test("a checkpoint without the encoder is refused by the first tensor that is not there")
    func noEncoder() throws {
        let folder = try TemporaryDirectory()
        _ = try train(folder, "run", data: try StripedImages.write(to: folder), ["--eval-every", "0"])
        let checkpoint = folder.file("run/checkpoint-00000018")
        let file = try SafetensorsFile(path: "\(checkpoint)/model.safetensors")
        let decoder = try file.names.filter { !$0.hasPrefix("blocks.") }.map { name in
            let shape = try #require(file[name]).shape
            let values = try file.floats(name)
            return NamedTensor(name, shape: shape, Matrix(rows: 1, columns: values.count, values: values))
        }
        let record = try SafetensorsWriter.write(decoder, to: "\(checkpoint)/other")
        try FileManager.default.removeItem(atPath: file.path)
        try FileManager.default.moveItem(atPath: "\(checkpoint)/other", toPath: file.path)
        let manifestURL = URL(fileURLWithPath: "\(checkpoint)/manifest.json")
        var manifest = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: manifestURL)) as? [String: Any])
        var files = try #require(manifest["files"] as? [String: Any])
        files["model.safetensors"] = ["crc32": record.crc32, "size": record.size]
        manifest["files"] = files
        try JSONSerialization.data(withJSONObject: manifest).write(to: manifestURL)
        for (command, more) in [
            ("embed", []), ("knn", ["--neighbors", "20"]), ("linprobe", []), ("analyze", []),
            ("finetune", ["--effective-batch-size", "16", "--output-dir", folder.file("tuned")]),
        ] {
            let result = try Program.run(
                [command, folder.file("run")] + more, ranks: 2, environment: Program.endingTogether)
            #expect(result.exitCode != 0 && result.messages.count == 1, "\(command): \(result.errors)")
            #expect(result.errors.contains("blocks.0.norm1.weight"), "\(command): \(result.errors)")
        }
    }

    @Test("more neighbours than training images are refused")
    func tooManyNeighbors() throws {
        let folder = try TemporaryDirectory()
        _ = try train(folder, "run", data: try StripedImages.write(to: folder), ["--eval-every", "0"])
        let result = try Program.run(["knn", folder.file("run"), "--neighbors", "20,200"])
        #expect(result.exitCode != 0 && result.messages.count == 1)
        #expect(result.errors.contains("--neighbors has 200, and there are 96 training images"))
    }
}
