import Safetensors
import Checkpoints
import Foundation
import Testing

/// A training run small enough for a test: 16×16 images of a generated set, two blocks.
enum SmallRun {
    static let model = [
        "--input-size", "16", "--patch-size", "4", "--in-chans", "2", "--embed-dim", "32", "--depth", "2",
        "--num-heads", "4", "--decoder-embed-dim", "16", "--decoder-depth", "1", "--decoder-num-heads", "2",
    ]

    /// - Parameter batchPerRank: given in place of `batch`, which is over all ranks.
    static func arguments(
        _ output: String, epochs: Int = 1, images: Int = 160, batch: Int = 8, batchPerRank: Int? = nil
    ) -> [String] {
        model + (batchPerRank.map { ["--batch-size", "\($0)"] } ?? ["--effective-batch-size", "\(batch)"]) + [
            "--data-path", "synthetic", "--synthetic-images", "\(images)", "--epochs",
            "\(epochs)", "--warmup-epochs", "0.2", "--lamb", "0.1", "--threads", "1", "--seed", "7",
            "--lr", "1e-3", "--precision", "fp32", "--output-dir", output,
        ]
    }

    /// All weights of a checkpoint, one after another.
    ///
    /// - Parameter keyBiases: a constant added to all keys cancels in the softmax, so the gradient of these biases is
    ///   zero but for rounding, and AdamW, which divides by the gradient's own size, makes full steps of that rounding.
    ///   They move nothing, and are left out where equality to rounding is asked for.
    static func weights(_ run: String, step: Int, keyBiases: Bool = false) throws -> [Float] {
        let name = "checkpoint-" + String(repeating: "0", count: 8 - "\(step)".count) + "\(step)"
        let file = try SafetensorsFile(path: "\(run)/\(name)/model.safetensors")
        return try file.names.sorted().flatMap { name in
            let values = try file.floats(name)
            guard name.hasSuffix("attn.qkv.bias") && !keyBiases else { return values }
            let width = values.count / 3
            return Array(values[..<width] + values[(2 * width)...])
        }
    }
}
