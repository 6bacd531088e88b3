import Foundation
import TestSupport
import Testing

@Suite("Commands", .serialized)
struct CommandTests {
    @Test("flags work as users of main_pretrain.py type them, with underscores or dashes")
    func spelling() throws {
        let flags = [
            "--batch_size", "4", "--mask_ratio=0.5", "--norm_pix_loss", "--accum_iter", "2", "--blr", "1e-3",
            "--warmup-epochs", "1", "--weight_decay", "0.1", "--min_lr", "1e-6", "--data_path", "synthetic",
            "--num_workers", "0", "--output_dir", "", "--print-config",
        ]
        let result = try Program.run(flags)
        #expect(result.exitCode == 0, "\(result.errors)")
        for line in [
            "mask_ratio: 0.5", "effective_batch_size: 8", "accum_iter: 2", "weight_decay: 0.1", "min_lr: 1e-06",
        ] {
            #expect(result.output.contains(line), "\(result.output)")
        }
    }

    @Test("defaults < recipe < environment < flags")
    func layers() throws {
        let folder = try TemporaryDirectory()
        try "epochs: 11\nlamb: 0.5\nmask_ratio: 0.6\nnorm_pix_loss: false\n"
            .write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
        let result = try Program.run(
            ["--recipe", folder.file("r.yaml"), "--mask-ratio", "0.7", "--data-path", "synthetic", "--print-config"],
            environment: ["UMAE_LAMB": "0.25", "UMAE_MASK_RATIO": "0.65"])
        #expect(result.exitCode == 0, "\(result.errors)")
        for line in ["epochs: 11", "lamb: 0.25", "mask_ratio: 0.7", "norm_pix_loss: false"] {
            #expect(result.output.contains(line), "\(result.output)")
        }
    }

    @Test("what --print-config prints is a recipe of the same run")
    func printedConfiguration() throws {
        let folder = try TemporaryDirectory()
        let first = try Program.run(SmallRun.arguments("") + ["--clip-grad", "0.5", "--print-config"])
        try first.output.write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
        let second = try Program.run(["--recipe", folder.file("r.yaml"), "--print-config"])
        #expect(first.exitCode == 0 && second.exitCode == 0, "\(first.errors)\(second.errors)")
        #expect(first.output == second.output)
    }

    @Test("a mistake in a recipe is told with the recipe")
    func recipeMistake() throws {
        let folder = try TemporaryDirectory()
        try "batchsize: 3\n".write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
        let result = try Program.run(["--recipe", folder.file("r.yaml"), "--print-config"])
        #expect(result.exitCode != 0)
        #expect(result.messages.first?.contains("recipe") == true && result.errors.contains("batchsize"))
    }

    @Test("--dry-run prints the plan and writes nothing")
    func dryRun() throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(SmallRun.arguments(folder.file("run")) + ["--dry-run"], ranks: 2)
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(result.output.contains("memory of each rank") && result.output.contains("activations"))
        #expect(result.output.contains(" blocks.*."), "\(result.output)")
        #expect(!fileExists(folder.file("run")))
    }

    @Test(
        "every command has help, its own",
        arguments: [
            (["--help"], "debug "), (["pretrain", "--help"], "--resume"), (["debug", "--help"], "--dump"),
            (["bench", "--help"], "--warmup-steps"), (["plan", "--help"], "--ranks-per-node"),
            (["help", "bench"], "--warmup-steps"),
        ])
    func help(_ arguments: [String], names: String) throws {
        let result = try Program.run(arguments)
        #expect(result.exitCode == 0 && result.output.contains("USAGE"), "\(result.errors)")
        #expect(result.output.contains(names), "\(result.output)")
    }

    @Test("bench prints one JSON object with its figures in order", arguments: [1, 2])
    func bench(ranks: Int) throws {
        let result = try Program.run(
            ["bench", "--json", "--steps", "3", "--batch-size", "4", "--threads", "1"] + SmallRun.model, ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any], "\(result.output)")
        let figure = { (key: String) in (object[key] as? NSNumber)?.doubleValue ?? -1 }
        #expect(figure("ranks") == Double(ranks) && figure("threads_per_rank") == 1)
        #expect(figure("batch_size_per_rank") == 4)
        let speed = figure("images_per_second")
        #expect(abs(speed * figure("seconds_per_step") - Double(4 * ranks)) < 1e-6 * speed)
        #expect(abs(figure("flops_per_second") / (speed * figure("flops_per_image")) - 1) < 1e-9)
        let fraction = figure("fraction_of_peak")
        #expect(fraction > 0 && fraction < 1)
        #expect(abs(fraction - figure("flops_per_second") / figure("peak_flops_per_second")) < 1e-9)
        #expect(figure("peak_memory_bytes") > 1e6)
        let phases = try #require(object["seconds_per_phase"] as? [String: Double])
        #expect(phases.keys.sorted() == ["backward", "communication", "data", "forward", "optimizer"])
    }

    @Test("debug without files checks every gradient")
    func gradientCheck() throws {
        let result = try Program.run(["debug", "--threads", "1"] + SmallRun.model, ranks: 2)
        #expect(result.exitCode == 0, "\(result.output)")
        #expect(result.output.contains("all gradients agree with finite differences"))
    }

    @Test("kernels of older instruction sets give the same model", arguments: ["baseline", "avx2"])
    func instructionSets(_ limit: String) throws {
        let folder = try TemporaryDirectory()
        _ = try Program.run(SmallRun.arguments(folder.file("best")))
        let older = try Program.run(SmallRun.arguments(folder.file("older")), environment: ["UMAE_MAX_ISA": limit])
        #expect(older.exitCode == 0, "\(older.errors)")
        let error = relativeError(
            try SmallRun.weights(folder.file("older"), step: 20), try SmallRun.weights(folder.file("best"), step: 20))
        // Other orders of summation in every product, for 20 steps.
        #expect(error < 1e-4, "relative error \(error)")
    }
}
