import Foundation
import TestSupport
import Testing

@Suite("finetune trains a classifier from a checkpoint", .serialized)
struct FineTuneTests {
    private let folder: TemporaryDirectory
    private let data: String

    init() throws {
        folder = try TemporaryDirectory()
        data = try StripedImages.write(to: folder)
        let result = try Program.run(
            SmallRun.arguments(folder.file("pretrained"), batch: 16)
                + ["--data-path", data, "--in-chans", "1", "--eval-every", "0"])
        #expect(result.exitCode == 0, "\(result.errors)")
    }

    private var settings: [String] {
        [
            "--epochs", "3", "--effective-batch-size", "12", "--lr", "5e-3", "--warmup-epochs", "0.5", "--threads", "1",
            "--precision", "fp32", "--seed", "3", "--aa", "none", "--reprob", "0", "--crop-min", "0.7", "--layer-decay",
            "0.9", "--checkpoint-every", "5steps", "--keep-checkpoints", "20",
        ]
    }

    /// A run that ends well, in the directory of that name.
    @discardableResult
    private func fineTune(_ name: String, _ more: [String], ranks: Int? = nil) throws -> Program.Result {
        let result = try Program.run(["finetune"] + more + ["--output-dir", folder.file(name)], ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        return result
    }

    private func log(_ name: String) throws -> [[String: Double]] {
        try String(contentsOfFile: folder.file("\(name)/log.txt"), encoding: .utf8).split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Double])
        }
    }

    @Test("and tests it after each epoch, with the same figures at any number of ranks and after a resume")
    func trains() throws {
        let one = try fineTune("one", [folder.file("pretrained")] + settings)
        let lines = try log("one")
        #expect(lines.map { $0["epoch"] } == [0, 1, 2])
        #expect(
            lines.allSatisfy { $0["test_acc5"] == 100 && $0["test_loss"] != nil && ($0["n_parameters"] ?? 0) > 1e4 })
        let best = try #require(lines.compactMap { $0["test_acc1"] }.max())
        #expect(best > 60, "chance is 33%, \(lines)")
        #expect(one.output.contains("data     data, 96 training images and 37 of the test, 3 classes"))
        #expect(one.output.contains(String(format: "  best              top-1 %.2f%% after epoch ", best)))

        try fineTune("two", ["--finetune", folder.file("pretrained"), "--shard-optimizer"] + settings, ranks: 2)
        for (own, other) in zip(try log("two"), lines) {
            #expect(own["test_acc1"] == other["test_acc1"])
            #expect(abs((own["train_loss"] ?? 0) - (other["train_loss"] ?? 1)) < 1e-4)
        }

        // The settings are those of the run that is gone on with.
        try fineTune("rest", ["--resume", folder.file("one/checkpoint-00000010")])
        #expect(
            try SmallRun.weights(folder.file("rest"), step: 24, keyBiases: true)
                == SmallRun.weights(folder.file("one"), step: 24, keyBiases: true))
        let again = try Program.run(["finetune", "--resume", "auto", "--output-dir", folder.file("one")])
        #expect(again.exitCode == 0 && again.output.contains("nothing to do"))
        #expect(try log("one") == lines)

        let features = try Program.run(["knn", folder.file("one")])
        #expect(features.exitCode == 64 && features.errors.contains("is of a run of finetune"), "\(features.errors)")

        // 37 images among three ranks.
        let tested = try Program.run(["finetune", "--eval", "--resume", folder.file("one")], ranks: 3)
        #expect(tested.exitCode == 0, "\(tested.errors)")
        #expect(
            tested.output.hasPrefix(String(format: "test     top-1 %.2f%%, top-5 100.00%%", lines[2]["test_acc1"] ?? 0))
        )
    }

    @Test("also with the class token, an average, all augmentations, images of another size, and from scratch")
    func variants() throws {
        let result = try fineTune(
            "other",
            [
                folder.file("pretrained"), "--input_size", "24", "--cls_token", "--model_ema", "--model_ema_decay",
                "0.5",
                "--mixup", "0.8", "--cutmix", "1", "--epochs", "1", "--effective-batch-size", "48", "--threads", "1",
            ])
        #expect(result.output.contains("images of 24 × 24, head on the class token"))
        #expect(try log("other").allSatisfy { $0["test_acc1_ema"] != nil && $0["test_loss_ema"] != nil })
        let scratch = try fineTune(
            "scratch",
            [
                "--data_path", data, "--model", "vit_tiny_patch4", "--depth", "1", "--input_size", "16", "--epochs",
                "1",
                "--effective-batch-size", "48", "--threads", "1",
            ])
        #expect(scratch.output.contains("no checkpoint: the encoder is trained from scratch"))
        #expect(scratch.output.contains("1 blocks of width 192"))
    }

    @Test("changes nothing with --dry-run, and prints a recipe of the same run")
    func looks() throws {
        let arguments = ["finetune", folder.file("pretrained"), "--epochs", "7", "--output-dir", folder.file("run")]
        let dry = try Program.run(arguments + ["--dry-run", "--effective-batch-size", "48"])
        #expect(dry.exitCode == 0 && dry.output.contains("memory of each rank"), "\(dry.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.file("run")))
        let printed = try Program.run(arguments + ["--print-config", "--aa", "none"])
        try printed.output.write(toFile: folder.file("recipe.yaml"), atomically: true, encoding: .utf8)
        let again = try Program.run(["finetune", "--recipe", folder.file("recipe.yaml"), "--print-config"])
        #expect(again.output == printed.output && printed.output.contains("finetune: \(folder.file("pretrained"))"))
        #expect(printed.output.contains("epochs: 7\n") && printed.output.contains("aa: none\n"))
        for recipe in ["finetune-mae-vit-b", "finetune-mae-vit-l", "finetune-cifar10"] {
            let published = try Program.run(["finetune", "--recipe", recipe, "--print-config"])
            #expect(published.exitCode == 0 && published.output.contains("\nwarmup_epochs: 5"), "\(published.errors)")
        }
    }

    @Test("and refuses what cannot be, with what to do")
    func refusals() throws {
        func messages(_ arguments: [String], ranks: Int? = nil) throws -> String {
            let result = try Program.run(
                ["finetune"] + arguments + ["--output-dir", folder.file("refused")], ranks: ranks)
            #expect(result.exitCode == 64, "\(arguments): \(result.exitCode), \(result.errors)")
            #expect(!FileManager.default.fileExists(atPath: folder.file("refused")))
            return result.messages.joined(separator: "\n")
        }
        let run = folder.file("pretrained")
        #expect(
            try messages([run, "--nb_classes", "10"], ranks: 2)
                == "umae-dist: --nb-classes is 10, and the images are of 3 classes")
        #expect(
            try messages([run, "--embed-dim", "64"]).contains("the checkpoint's encoder has 32: leave the flag out"))
        #expect(try messages([run, "--model", "vit_base_patch16"]).contains("12 blocks of width 768"))
        #expect(try messages([run, "--eval"]).contains("with --resume"))
        #expect(try messages(["--resume", run]).contains("it is of a run of pretrain, not of finetune"))
        let images = folder.file("mine.npy")
        try Data(numPyBytes("'|u1'", [64, 16, 16], [UInt8](repeating: 7, count: 64 * 256)))
            .write(to: URL(fileURLWithPath: images))
        #expect(try messages([run, "--data-path", images]).contains("images without labels cannot be classified"))
        let other = try TemporaryDirectory()
        let unlabelled = try StripedImages.write(to: other, testLabels: false)
        #expect(try messages([run, "--data-path", unlabelled]).contains("images without labels cannot be classified"))
        #expect(try messages([run, "--finetune", folder.file("other")]).contains("two checkpoints"))
    }
}
