import ArgumentParser
import Foundation
import Pretraining
import Settings
import Tensors
import TestSupport
import Testing
import Options

@Suite("config.yaml is the run", .serialized)
struct RunSettingTests {
    /// A value that is not the default, for every flag that is a setting of the run.
    static let others: [String: String] = [
        "model": "mae_vit_tiny_patch4", "input-size": "56x28", "patch-size": "7", "in-chans": "3", "embed-dim": "64",
        "depth": "3", "num-heads": "2", "decoder-embed-dim": "32", "decoder-depth": "1", "decoder-num-heads": "2",
        "qkv-bias": "false", "norm-eps": "1e-5", "cls-position": "false", "decoder-embed": "false",
        "decoder-norm": "false", "lr-schedule": "epochs", "decay-all": "true",
        "mlp-ratio": "3.5", "mask-ratio": "0.6", "norm-pix-loss": "false", "pos-embed": "learned", "feature": "pooled",
        "lamb": "0.02", "reg": "koleo", "tcr-mu": "3", "uniformity-t": "4", "uniformity-exchange": "gather",
        "negatives": "micro", "masks-per-image": "4", "uniformity-gradient": "reference", "batch-size": "16",
        "effective-batch-size": "64",
        "epochs": "7", "accum-iter": "2", "blr": "1e-3", "lr": "3e-3", "min-lr": "1e-6", "warmup-epochs": "2",
        "weight-decay": "0.1", "clip-grad": "0.5", "start-epoch": "1", "gradient-exchange": "direct",
        "bucket-mib": "2.5",
        "gradient-wire": "bf16", "shard-optimizer": "true", "deterministic": "true", "deterministic-shards": "4",
        "data-path": "/data/a b", "synthetic-images": "512", "images": "60000", "num-workers": "10",
        "data-kind": "folder", "classes": "/data/wnids.txt", "cache-dir": "/scratch/lists", "stage": "/tmp/disk",
        "on-bad-image": "fail",
        "augment": "none", "exif": "apply", "decode": "fast",
        "crop-min": "0.08",
        "mean": "0.485,0.456,0.406", "std": "0.25",
        "eval-every": "3", "eval-images": "1000",
        "checkpoint-every": "5", "keep-checkpoints": "2", "keep-every": "10", "seed": "18446744073709551615",
        "spike-guard": "skip", "spike-threshold": "4", "replica-check-every": "10", "precision": "fp32", "threads": "3",
        "recompute-activations": "true", "stall-timeout": "30",
    ]
    /// What some of them cannot be without.
    private static let companions = ["decoder-embed": ["--decoder-embed-dim", "128"]]
    /// Flags that no recipe holds, by the reason.
    static let exempt: [String: Set<String>] = [
        "where a run is kept and what is done with it": [
            "recipe", "output-dir", "resume", "print-config", "dry-run", "timeline",
        ],
        "of main_pretrain.py, without effect": [
            "device", "log-dir", "val-interval", "pin-mem", "world-size", "local-rank", "dist-on-itp", "dist-url",
        ],
        "the machine that is planned for": [
            "nodes", "ranks-per-node", "bandwidth", "latency", "transport", "local-bandwidth", "local-latency",
            "scaling",
        ],
        "what is measured, and how it is printed": [
            "steps", "warmup-steps", "work", "seconds-per-image", "seconds-per-update", "bench-json", "json",
        ],
        "what is packed or looked at, and how": ["split", "shard-size", "resize", "encode", "quality", "seconds"],
        "how features are evaluated": [
            "neighbors", "vote", "temperature", "l2", "probe", "queries", "batch-statistics", "blocks", "feature-cache",
            "format",
            "lidar-images", "lidar-views", "mask-ratios",
        ],
        "how a classifier is fine-tuned": [
            "finetune", "drop-path", "global-pool", "cls-token", "nb-classes", "layer-decay", "smoothing", "model-ema",
            "model-ema-decay", "eval", "dist-eval", "aa", "color-jitter", "reprob", "remode", "recount", "resplit",
            "mixup",
            "cutmix", "cutmix-minmax", "mixup-prob", "mixup-switch-prob", "mixup-mode",
        ],
        "files of a dump": ["weights", "batch", "dump"],
    ]

    @Test("every flag of every command is a setting of the recipe, or is none for a reason")
    func everyCommand() throws {
        let names = try FlagList.commands()
        #expect(names.count > 3 && names.contains("pretrain"))
        let flags = Set(try names.flatMap { try FlagList.of($0).map(\.name) })
        let exempt = Self.exempt.values.reduce(into: Set<String>()) { $0.formUnion($1) }
        let unknown = flags.symmetricDifference(exempt.union(Self.others.keys))
        #expect(unknown.isEmpty, "\(unknown) is in neither list, in both, or gone")
        #expect(exempt.isDisjoint(with: Self.others.keys))
    }

    @Test("every setting is a key of what is printed, which is read back as the same")
    func everyFlag() throws {
        let folder = try TemporaryDirectory()
        let usual = try Program.run(["--print-config"])
        for (flag, value) in Self.others.sorted(by: { $0.key < $1.key }) {
            let besides = Self.companions[flag] ?? []
            let plain = besides.isEmpty ? usual : try Program.run(besides + ["--print-config"])
            let first = try Program.run(besides + ["--\(flag)=\(value)", "--print-config"])
            #expect(first.exitCode == 0 && first.output != plain.output, "--\(flag) \(value): \(first.errors)")
            let key = flag.replacingOccurrences(of: "-", with: "_")
            #expect(first.output.contains("\n\(key): "), "--\(flag) \(value): \(first.output)")
            try first.output.write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
            let second = try Program.run(["--recipe", folder.file("r.yaml"), "--print-config"])
            #expect(second.output == first.output, "--\(flag) \(value): \(second.errors)")
        }
    }

    @Test("flags that are no settings change nothing of what is printed")
    func exemptFlags() throws {
        let plain = try Program.run(["--print-config"])
        let values = [
            "recipe": "/dev/null", "output-dir": "x", "resume": "", "timeline": "t.json", "device": "cpu",
            "log-dir": "x",
            "val-interval": "3", "pin-mem": "true", "world-size": "2", "local-rank": "0", "dist-on-itp": "true",
            "dist-url": "x", "dry-run": "true", "print-config": "true",
        ]
        for name in try FlagList.of("pretrain").map(\.name) where Self.others[name] == nil {
            let value = try #require(values[name], "--\(name)")
            let result = try Program.run(["--\(name)=\(value)", "--print-config"])
            #expect(result.output == plain.output, "--\(name): \(result.errors)")
        }
    }

    @Test("every setting changes the configuration, or how the run is computed or kept")
    func everySetting() throws {
        func lines(_ arguments: [String], channels: Int = 1) throws -> [String] {
            try PretrainOptions.parse(arguments).configuration(ranks: 1, channels: channels, precision: .float32)
                .settings.map(\.line)
        }
        let others: Set<String> = [
            "num-workers", "threads", "recompute-activations", "stall-timeout", "checkpoint-every", "keep-checkpoints",
            "keep-every", "eval-every", "eval-images",
            // Looked at with the images, and with all ranks.
            "images", "precision", "data-kind", "classes", "on-bad-image",
            // Where lists and copies of images are kept.
            "cache-dir", "stage",
        ]
        for (flag, value) in Self.others {
            let arguments =
                ["true", "false"].contains(value) ? ["--\(value == "true" ? "" : "no-")\(flag)"] : ["--\(flag)", value]
            // Without the other it counts for nothing.
            let besides = flag == "deterministic-shards" ? ["--deterministic"] : Self.companions[flag] ?? []
            let given = try lines(besides + arguments, channels: flag == "in-chans" ? 3 : 1)
            #expect((try lines(besides) == given) == others.contains(flag), "--\(flag)")
        }
    }

    private func weights(_ run: String) throws -> Data {
        let checkpoint = try #require(
            try FileManager.default.contentsOfDirectory(atPath: run).filter { $0.hasPrefix("checkpoint-") }.max())
        return try Data(contentsOf: URL(fileURLWithPath: "\(run)/\(checkpoint)/model.safetensors"))
    }

    /// The lines of config.yaml but for comments, which say when and where.
    private func settings(_ run: String) throws -> [Substring] {
        try String(contentsOfFile: "\(run)/config.yaml", encoding: .utf8).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }
    }

    @Test(
        "a run from another's config.yaml has its bits", arguments: [1, 2],
        [
            ["--deterministic"], ["--gradient-wire", "bf16"], ["--bucket-mib", "0.01", "--shard-optimizer"],
            ["--recompute-activations", "--accum-iter", "2", "--clip-grad", "0.1"],
        ])
    func again(ranks: Int, flags: [String]) throws {
        let folder = try TemporaryDirectory()
        let first = try Program.run(
            SmallRun.arguments(folder.file("a"), epochs: 2, images: 64, batch: 16) + flags, ranks: ranks)
        #expect(first.exitCode == 0, "\(first.errors)")
        let second = try Program.run(
            ["--recipe", folder.file("a/config.yaml"), "--output-dir", folder.file("b")], ranks: ranks)
        #expect(second.exitCode == 0, "\(second.errors)")
        #expect(try weights(folder.file("a")) == weights(folder.file("b")))
        #expect(try settings(folder.file("a")) == settings(folder.file("b")))
    }

    @Test("a resumed run has the settings it had, but for those given now", arguments: ["auto", "run", "checkpoint"])
    func inherited(_ way: String) throws {
        let folder = try TemporaryDirectory()
        let flags = ["--reg", "koleo", "--weight-decay", "0.2", "--negatives", "micro", "--accum-iter", "2"]
        let first = try Program.run(SmallRun.arguments(folder.file("a"), images: 32) + flags)
        #expect(first.exitCode == 0, "\(first.errors)")
        try FileManager.default.copyItem(atPath: folder.file("a"), toPath: folder.file("b"))
        let place = ["auto": "auto", "run": folder.file("b"), "checkpoint": folder.file("b/checkpoint-00000004")][way]
        let resume = ["--resume", try #require(place), "--output-dir", folder.file("b"), "--epochs", "3"]
        let short = try Program.run(resume + ["--stall-timeout", "100"])
        #expect(short.exitCode == 0, "\(short.errors)")
        let note = "note: settings that are not given are those of \(folder.file("b"))/config.yaml"
        #expect(short.errors.contains(note), "\(short.errors)")
        let whole = try Program.run(
            SmallRun.arguments(folder.file("a"), epochs: 3, images: 32) + flags + ["--resume", "auto"])
        #expect(whole.exitCode == 0, "\(whole.errors)")
        #expect(try weights(folder.file("a")) == weights(folder.file("b")))
        let configuration = try String(contentsOfFile: folder.file("b/config.yaml"), encoding: .utf8)
        for line in ["reg: koleo", "weight_decay: 0.2", "epochs: 3", "lamb: 0.1", "stall_timeout: 100.0"] {
            #expect(configuration.contains(line + "\n"), "\(configuration)")
        }
    }

    @Test("a resumed run says which settings that decide numbers have changed")
    func changed() throws {
        let folder = try TemporaryDirectory()
        let first = try Program.run(SmallRun.arguments(folder.file("a"), images: 32))
        #expect(first.exitCode == 0, "\(first.errors)")
        let result = try Program.run(
            [
                "--output-dir", folder.file("a"), "--resume", "auto", "--epochs", "2", "--lamb", "0.5", "--bucket-mib",
                "1",
            ])
        let notes = result.output.split(separator: "\n").filter { $0.contains("in the checkpoint") }
        #expect(
            notes == [
                "note: --lamb 0.1 in the checkpoint, 0.5 now", "note: --epochs 1 in the checkpoint, 2 now",
            ], "\(result.output)\(result.errors)")
    }

    @Test("recipe, environment and flags are more specific than the run that is resumed")
    func overridden() throws {
        let folder = try TemporaryDirectory()
        _ = try Program.run(
            SmallRun.arguments(folder.file("a"), images: 32) + ["--clip-grad", "0.5", "--deterministic"])
        try "lamb: 0.5\nblr: 0.002\n".write(toFile: folder.file("r.yaml"), atomically: true, encoding: .utf8)
        let result = try Program.run(
            [
                "--output-dir", folder.file("a"), "--resume", "auto", "--recipe", folder.file("r.yaml"), "--clip-grad",
                "none", "--no-deterministic", "--print-config",
            ], environment: ["UMAE_WEIGHT_DECAY": "0.3"])
        #expect(result.exitCode == 0, "\(result.errors)")
        for line in ["lamb: 0.5", "blr: 0.002", "weight_decay: 0.3", "deterministic: false", "depth: 2"] {
            #expect(result.output.contains("\n\(line)\n"), "\(result.output)")
        }
        // The run had threads and a learning rate of its own, which no longer hold.
        for key in ["clip_grad", "lr", "threads"] { #expect(!result.output.contains("\n\(key):"), "\(result.output)") }
    }

    @Test(
        "a run without readable settings goes on with the defaults, and says so", arguments: [nil, "lamb: [", "a: 1"])
    func unreadable(_ text: String?) throws {
        let folder = try TemporaryDirectory()
        let first = try Program.run(SmallRun.arguments(folder.file("a"), images: 32))
        #expect(first.exitCode == 0, "\(first.errors)")
        try FileManager.default.removeItem(atPath: folder.file("a/config.yaml"))
        try text?.write(toFile: folder.file("a/config.yaml"), atomically: true, encoding: .utf8)
        let resumed = try Program.run(
            SmallRun.arguments(folder.file("a"), epochs: 2, images: 32) + ["--resume", "auto"], ranks: 2)
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
        #expect(resumed.errors.contains("that are not given are the defaults"), "\(resumed.errors)")
    }
}
