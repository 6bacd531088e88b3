import Foundation
import TestSupport
import Testing

@Suite("Bad input ends with one line that names the thing, on any number of ranks", .serialized)
struct BadInputTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let arguments: [String]
        /// What the line must say.
        let mentions: [String]
        var testDescription: String { name }

        init(_ name: String, _ arguments: [String], _ mentions: String...) {
            self.name = name
            self.arguments = arguments
            self.mentions = mentions
        }
    }

    static let cases = [
        Case("missing data", ["--data-path", "/no/such/place"], "/no/such/place"),
        Case("a directory without images", ["--data-path", "/etc/ssl"], "/etc/ssl", "Fashion-MNIST"),
        Case("unknown model", ["--model", "mae_vit_gigantic"], "mae_vit_gigantic", "mae_vit_base_patch16"),
        Case("patch size that does not divide", ["--patch-size", "5"], "--patch-size 5", "28"),
        Case("mask ratio that keeps nothing", ["--mask_ratio", "0.999"], "--mask-ratio 0.999"),
        Case("heads that do not divide", ["--num-heads", "5"], "128", "5 heads"),
        Case("batch not divisible", ["--effective-batch-size", "255"], "255", "2 ranks"),
        Case("fewer samples than a batch", ["--effective-batch-size", "70000"], "70000", "60000"),
        Case("entropy regulariser", ["--reg", "entropy"], "entropy"),
        Case("negative lambda", ["--lamb=-1"], "--lamb", "-1"),
        Case("zero epochs", ["--epochs", "0"], "--epochs"),
        Case("zero threads", ["--threads", "0"], "--threads"),
        Case("a GPU", ["--device", "cuda"], "--device", "cuda"),
        Case("an unknown flag", ["--batchsize", "3"], "--batchsize"),
        Case("an unreadable recipe", ["--recipe", "/no/recipe.yaml"], "/no/recipe.yaml"),
        Case("unwritable output", ["--output-dir", "/proc/umae"], "/proc/umae"),
        Case("resume from nothing", ["--resume", "/no/checkpoint", "--output-dir", ""], "/no/checkpoint"),
        Case("channels that the images lack", ["--in-chans", "3"], "--in-chans"),
        Case("a batch beyond memory", ["--model", "mae_vit_huge_patch14", "--batch-size", "8192"], "memory"),
    ]

    @Test("said once, with a non-zero exit", arguments: cases)
    func oneLine(_ bad: Case) throws {
        let folder = try TemporaryDirectory()
        let place = bad.arguments.contains("--output-dir") ? [] : ["--output-dir", folder.file("run")]
        let result = try Program.run(bad.arguments + place, ranks: 2, environment: Program.endingTogether)
        #expect(result.exitCode != 0)
        #expect(result.messages.count == 1, "\(result.errors)")
        for mention in bad.mentions {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
        #expect(!fileExists(folder.file("run/log.txt")))
    }

    @Test("damaged image files are named", arguments: ["truncated", "foreign"])
    func damagedFiles(_ kind: String) throws {
        let folder = try TemporaryDirectory()
        let images = Data(
            kind == "truncated"
                ? [0, 0, 8, 3, 0, 0, 0, 10, 0, 0, 0, 4, 0, 0, 0, 4, 1, 2, 3] : Array("not an IDX file at all".utf8))
        try images.write(to: URL(fileURLWithPath: folder.file("train-images-idx3-ubyte")))
        try Data([0, 0, 8, 1, 0, 0, 0, 10] + [UInt8](repeating: 1, count: 10))
            .write(to: URL(fileURLWithPath: folder.file("train-labels-idx1-ubyte")))
        let result = try Program.run(
            ["--data-path", folder.path, "--output-dir", ""], ranks: 2, environment: Program.endingTogether)
        #expect(result.exitCode != 0)
        #expect(
            result.messages.count == 1 && result.messages[0].contains("train-images-idx3-ubyte"), "\(result.errors)")
    }

    @Test("of one class of several, the flag that takes it alone is named")
    func oneClass() throws {
        let folder = try TemporaryDirectory()
        for name in ["a", "b", "c"] {
            try folder.write("data/\(name)/1.png", pngBytes(width: 2, height: 2, patternBytes(12)))
        }
        let result = try Program.run(
            ["--data-path", folder.file("data/a"), "--output-dir", ""], ranks: 2, environment: Program.endingTogether)
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("--data-kind flat") == true, "\(result.messages)")
    }

    @Test(
        "ranks started with different configurations all leave, and the difference is named",
        arguments: [["--lamb", "0.2"], ["--data-path", "elsewhere"], ["--data-kind", "flat"]])
    func differentConfigurations(_ flag: [String]) throws {
        let run = SmallRun.arguments("")
        let result = try Program.run(eachRank: [run, run + flag])
        #expect(result.exitCode != 0)
        #expect(result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains("\(flag[0]) \(flag[1])") == true, "\(result.messages)")
    }

    @Test("a rank with a broken command line does not leave the others waiting")
    func brokenOnOneRank() throws {
        let run = SmallRun.arguments("")
        let result = try Program.run(eachRank: [run, run + ["--nonsense"]])
        #expect(result.exitCode != 0)
        #expect(result.messages.contains { $0.contains("--nonsense") }, "\(result.errors)")
    }

    @Test("a checkpoint of another architecture is refused, by name, and kept")
    func otherArchitecture() throws {
        let folder = try TemporaryDirectory()
        _ = try Program.run(SmallRun.arguments(folder.file("run"), images: 16))
        let result = try Program.run(
            SmallRun.arguments(folder.file("run"), images: 16) + ["--embed-dim", "64", "--resume", "auto"], ranks: 2)
        #expect(result.exitCode != 0)
        #expect(result.messages.count == 1 && result.messages[0].contains("--embed-dim"), "\(result.errors)")
        #expect(fileExists(folder.file("run/checkpoint-00000002/manifest.json")))
    }

    @Test("a run directory is not overwritten by accident")
    func occupiedDirectory() throws {
        let folder = try TemporaryDirectory()
        _ = try Program.run(SmallRun.arguments(folder.file("run"), images: 16))
        let result = try Program.run(SmallRun.arguments(folder.file("run"), images: 16))
        #expect(result.exitCode != 0)
        #expect(result.messages.first?.contains("--resume auto") == true)
    }

    @Test("a loss that is not finite stops all ranks before the update, with rank, step and loss", arguments: [1, 2])
    func nonFiniteLoss(ranks: Int) throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(
            SmallRun.arguments(folder.file("run"), images: 32) + ["--lr", "1e30", "--warmup-epochs", "0"],
            ranks: ranks)
        #expect(result.exitCode == 1)
        #expect(result.messages.count == 1, "\(result.errors)")
        for mention in ["not finite", "step 2", "rank \(ranks - 1)", "reconstruction loss", "--lr"] {
            #expect(result.messages.first?.contains(mention) == true, "\(result.messages) lacks '\(mention)'")
        }
        #expect(!fileExists(folder.file("run/checkpoint-00000004")))
    }

    @Test("a hostile weights file is refused by debug on all ranks")
    func hostileWeights() throws {
        let folder = try TemporaryDirectory()
        try Data([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).write(to: URL(fileURLWithPath: folder.file("w")))
        let debug = try DebugFiles(images: 4)
        let result = try Program.run(
            [
                "debug", "--weights", folder.file("w"), "--batch", debug.folder.file("batch.safetensors"), "--dump",
                folder.file("out"),
            ] + SmallRun.model, ranks: 2)
        #expect(result.exitCode != 0)
        #expect(result.messages.count == 1 && result.messages[0].contains(folder.file("w")), "\(result.errors)")
        #expect(!fileExists(folder.file("out")))
    }
}
