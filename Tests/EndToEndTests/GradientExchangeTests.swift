import Safetensors
import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite("However gradients travel, the update is the same", .serialized)
struct GradientExchangeTests {
    /// Small buckets, so that there are several.
    private let buckets = ["--bucket-mib", "0.01"]

    @Test("direct sums, sums by MPI and sharded updates are those of one process; rounded ones to 8 bits")
    func update() throws {
        let debug = try DebugFiles(images: 17)
        let update = ["--lr", "1e-2", "--weight-decay", "0.3"]
        let whole = try debug.dump(ranks: nil, update)
        #expect(whole.names.contains("updated.blocks.0.attn.qkv.weight"))
        for flags in [
            ["--gradient-exchange", "direct"], ["--gradient-exchange", "allreduce"],
            ["--shard-optimizer", "--accum_iter", "2"],
        ] {
            let parts = try debug.dump(ranks: 4, update + flags + buckets)
            #expect(parts.names.sorted() == whole.names.sorted())
            for name in whole.names {
                let error = relativeError(try parts.floats(name), try whole.floats(name))
                // AdamW's first update is the sign of a gradient, which rounding can turn where it is all but zero: the
                // key biases' are zero but for rounding.
                let tolerance = name.hasPrefix("updated.") && name.hasSuffix("qkv.bias") ? 1.0 : 1e-4
                let bound = name.hasPrefix("updated.") ? tolerance : 1e-5
                #expect(error < bound, "\(flags), \(name): relative error \(error)")
            }
        }
        let rounded = try debug.dump(ranks: 4, ["--gradient-wire", "bf16"] + buckets)
        var largest = 0.0
        for name in rounded.names where name.hasPrefix("grad.") && !name.hasSuffix("qkv.bias") {
            let error = relativeError(try rounded.floats(name), try whole.floats(name))
            largest = max(largest, error)
            // Half a unit in the last of 8 bits is 2^-9 for each term and once more for the sum; terms that cancel lose
            // more.
            #expect(error < 2e-2, "\(name): relative error \(error)")
        }
        #expect(largest > 1e-5, "something was rounded")
    }

    @Test("a sharded run writes the checkpoints of an unsharded one, and either goes on from the other's")
    func checkpoints() throws {
        let folder = try TemporaryDirectory()
        func arguments(_ name: String) -> [String] {
            SmallRun.arguments(folder.file(name), epochs: 2) + ["--checkpoint-every", "1", "--clip-grad", "0.5"]
                + buckets
        }
        let whole = try Program.run(arguments("whole"))
        #expect(whole.exitCode == 0, "\(whole.errors)")
        for (name, first, second, ranks) in [
            ("a", ["--shard-optimizer"], [], (4, 1)), ("b", [], ["--shard-optimizer"], (2, 3)),
            ("c", ["--shard-optimizer"], ["--shard-optimizer"], (4, 2)),
        ] {
            let batch = ranks.1 == 3 ? ["--effective-batch-size", "12"] : []
            if ranks.1 == 3 {
                let other = try Program.run(arguments("twelve") + batch)
                #expect(other.exitCode == 0, "\(other.errors)")
            }
            let one = try Program.run(arguments(name) + first + batch, ranks: ranks.0)
            #expect(one.exitCode == 0, "\(one.errors)")
            let reference = ranks.1 == 3 ? "twelve" : "whole"
            let steps = ranks.1 == 3 ? 13 : 20
            try FileManager.default.removeItem(atPath: folder.file("\(name)/checkpoint-000000\(2 * steps)"))
            let two = try Program.run(arguments(name) + second + batch + ["--resume", "auto"], ranks: ranks.1)
            #expect(two.exitCode == 0, "\(two.errors)")
            for step in [steps, 2 * steps] {
                let error = relativeError(
                    try SmallRun.weights(folder.file(name), step: step),
                    try SmallRun.weights(folder.file(reference), step: step))
                #expect(error < 1e-5, "\(name), step \(step): relative error \(error)")
            }
        }
    }
}
