import Foundation
import Tensors
import TestSupport
import Testing

@Suite("--deterministic gives the same bits at any number of ranks and threads", .serialized)
struct DeterministicTests {
    private func run(_ folder: TemporaryDirectory, _ name: String, ranks: Int?, _ more: [String]) throws {
        let arguments =
            SmallRun.arguments(folder.file(name), epochs: 2, images: 64, batch: 16) + ["--deterministic"] + more
        let result = try Program.run(arguments, ranks: ranks)
        #expect(result.exitCode == 0, "\(result.errors)")
    }

    private func content(_ folder: TemporaryDirectory, _ name: String, step: Int) throws -> [Data] {
        try ["model.safetensors", "optimizer.safetensors"].map {
            try Data(contentsOf: URL(fileURLWithPath: folder.file("\(name)/checkpoint-0000000\(step)/\($0)")))
        }
    }

    /// The lines of log.txt without times.
    private func log(_ folder: TemporaryDirectory, _ name: String) throws -> [[String: Double]] {
        try String(contentsOfFile: folder.file("\(name)/log.txt"), encoding: .utf8).split(separator: "\n").map {
            let object = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
            return object.compactMapValues { $0 as? Double }.filter { key, _ in
                !key.contains("time") && !key.contains("second")
            }
        }
    }

    static let losses: [[String]] = [
        ["--reg", "uniformity", "--clip-grad", "0.1"],
        ["--reg", "spectral-centred", "--feature", "pooled", "--pos-embed", "learned"],
    ]

    @Test("1, 2, 4 and 8 ranks write the same checkpoints and logs", arguments: losses)
    func ranks(loss: [String]) throws { try compareRanks(loss) }

    @Test("the same in bf16", .enabled(if: VectorKernels.hasFastBFloat16, "this processor multiplies no bf16"))
    func ranksInBFloat16() throws { try compareRanks(["--reg", "spectral", "--precision", "bf16"]) }

    private func compareRanks(_ loss: [String]) throws {
        let folder = try TemporaryDirectory()
        try run(folder, "1", ranks: nil, loss)
        let expected = try content(folder, "1", step: 8)
        let lines = try log(folder, "1")
        #expect(lines.count == 2 && lines[0].count >= 5)
        for ranks in [2, 4, 8] {
            try run(folder, "\(ranks)", ranks: ranks, loss)
            #expect(try content(folder, "\(ranks)", step: 8) == expected, "\(ranks) ranks")
            #expect(try log(folder, "\(ranks)") == lines, "\(ranks) ranks")
        }
        try run(folder, "threads", ranks: 2, loss + ["--threads", "3"])
        #expect(try content(folder, "threads", step: 8) == expected, "3 threads")
        // Without the flag, sums are formed in another order.
        let plain = try Program.run(
            SmallRun.arguments(folder.file("plain"), epochs: 2, images: 64, batch: 16) + loss, ranks: 4)
        #expect(plain.exitCode == 0, "\(plain.errors)")
        #expect(try content(folder, "plain", step: 8) != expected)
    }

    @Test("a run that goes on at other numbers of ranks has the bits of one that did not stop")
    func resumed() throws {
        let folder = try TemporaryDirectory()
        let every = ["--checkpoint-every", "1"]
        try run(folder, "whole", ranks: nil, every)
        try run(folder, "parts", ranks: 8, every)
        try FileManager.default.removeItem(atPath: folder.file("parts/checkpoint-00000008"))
        try run(folder, "parts", ranks: 2, every + ["--resume", "auto"])
        #expect(try content(folder, "parts", step: 8) == content(folder, "whole", step: 8))
    }

    @Test(
        "what cannot be deterministic is refused in one line",
        arguments: [
            (["--accum-iter", "3"], "leave out --accum-iter"), (["--shard-optimizer"], "--shard-optimizer"),
            (["--gradient-wire", "bf16"], "--gradient-wire"), (["--negatives", "micro"], "--negatives effective"),
            (["--uniformity-exchange", "gram"], "gather"), (["--deterministic-shards", "6"], "power of two"),
            (["--effective-batch-size", "12"], "12"),
        ])
    func refused(flags: [String], mentions: String) throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(
            SmallRun.arguments(folder.file("run")) + ["--deterministic"] + flags, ranks: 2,
            environment: Program.endingTogether)
        #expect(result.exitCode != 0)
        #expect(result.messages.count == 1 && result.messages.first?.contains(mentions) == true, "\(result.errors)")
    }

    @Test("ranks that cannot share the parts are told how many can")
    func unequalShares() throws {
        let folder = try TemporaryDirectory()
        let result = try Program.run(
            SmallRun.arguments(folder.file("run"), batch: 24) + ["--deterministic"], ranks: 3)
        #expect(result.exitCode != 0)
        #expect(
            result.messages.count == 1
                && result.messages.first?.contains("8 parts, which 3 ranks cannot share") == true,
            "\(result.errors)")
    }
}
