import Foundation
import Tensors
import Testing

@Suite("debug without files", .serialized)
struct GradientDebugTests {
    /// A configuration that nobody chose: shapes, features, losses.
    static func arguments(_ number: Int) -> [String] {
        var random = SampleRandom(seed: 5, epoch: 0, sample: number, purpose: .initialization)
        func one<Value>(of values: [Value]) -> Value { values[Int(random.uniform() * Float(values.count))] }
        let patch = one(of: [2, 3, 4])
        let (heads, decoderHeads) = (one(of: [1, 2, 3]), one(of: [1, 2, 4]))
        let sizes = [
            "--input-size", "\(patch * one(of: [2, 3, 4]))x\(patch * one(of: [2, 3, 5]))", "--patch-size", "\(patch)",
            "--in-chans", one(of: ["1", "3", "12"]), "--embed-dim", "\(heads * one(of: [4, 8, 12]))", "--num-heads",
            "\(heads)", "--decoder-embed-dim", "\(decoderHeads * one(of: [4, 8]))", "--decoder-num-heads",
            "\(decoderHeads)", "--depth", one(of: ["1", "2"]), "--decoder-depth", one(of: ["1", "2"]), "--batch-size",
            one(of: ["2", "3", "7"]),
        ]
        let regularizers = [
            "none", "spectral", "spectral-offdiagonal", "spectral-centred", "tcr", "vicreg-covariance", "uniformity",
            "koleo",
        ]
        return sizes + [
            "--feature", one(of: ["cls", "cls-once", "pooled"]), "--reg", regularizers[number % regularizers.count],
            "--lamb", one(of: ["0", "0.01", "100"]), "--pos-embed", one(of: ["sincos", "learned"]), "--mask-ratio",
            one(of: ["0.3", "0.5", "0.75"]), "--seed", "\(number)",
        ] + (number % 3 == 0 ? ["--recompute-activations"] : [])
    }

    @Test("right gradients are called right, whatever the model", arguments: 0..<24)
    func anyModel(number: Int) throws {
        let result = try Program.run(["debug", "--threads", "1"] + Self.arguments(number), ranks: number < 2 ? 2 : nil)
        #expect(result.exitCode == 0, "\(Self.arguments(number)) \(result.output)\(result.errors)")
        #expect(result.output.contains("all gradients agree with finite differences"))
    }

    @Test("also where a tensor's gradient is small")
    func smallGradients() throws {
        let flags = [
            "--input-size", "12x20", "--patch-size", "4", "--in-chans", "12", "--embed-dim", "20", "--depth", "2",
            "--num-heads", "2", "--decoder-embed-dim", "12", "--decoder-depth", "3", "--decoder-num-heads", "4",
            "--mask-ratio", "0.9", "--batch-size", "2", "--mlp-ratio", "3.3",
        ]
        for more in [flags, SmallRun.model + ["--feature", "pooled"]] {
            let result = try Program.run(["debug", "--threads", "1"] + more)
            #expect(result.exitCode == 0, "\(result.output)\(result.errors)")
        }
    }

    @Test("recomputing takes less memory")
    func recomputing() throws {
        func activations(_ more: [String]) throws -> Double {
            let result = try Program.run(["debug", "--threads", "1"] + SmallRun.model + ["--depth", "6"] + more)
            #expect(result.exitCode == 0, "\(result.output)\(result.errors)")
            let line = result.output.split(separator: "\n").first { $0.contains("  activations") }
            return try #require(line?.split(separator: " ").dropFirst().first.flatMap { Double($0) })
        }
        #expect(
            try activations(["--recompute-activations", "--batch-size", "8"]) < activations(["--batch-size", "8"]))
    }

    @Test(
        "flags that it does not obey are refused in one line",
        arguments: [
            ["--precision", "bf16"], ["--accum-iter", "2"], ["--lr", "1"], ["--weight-decay", "1"],
            ["--shard-optimizer"], ["--deterministic"], ["--gradient-wire", "bf16"], ["--timeline", "t.json"],
            ["--stall-timeout", "9"],
        ])
    func refused(flags: [String]) throws {
        let result = try Program.run(["debug"] + SmallRun.model + flags)
        #expect(result.exitCode != 0 && result.messages.count == 1, "\(result.errors)")
        #expect(result.messages.first?.contains(flags[0]) == true, "\(result.messages)")
    }
}
