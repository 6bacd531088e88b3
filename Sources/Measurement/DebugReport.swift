internal import Communication
import Foundation
internal import ImageData
package import Models
package import Pretraining
package import Runs
internal import Tensors

/// Builds a model, checks every gradient by finite differences on a small random batch, and tells what a person
/// debugging wants to know: shapes, statistics, memory.
package struct DebugReport {
    package let model: MaskedAutoencoderConfiguration
    package let loss: LossConfiguration
    package let images: Int
    package let seed: UInt64
    package let recomputesActivations: Bool

    package init(
        model: MaskedAutoencoderConfiguration, loss: LossConfiguration, images: Int, seed: UInt64,
        recomputesActivations: Bool = false
    ) {
        self.model = model
        self.loss = loss
        self.images = images
        self.seed = seed
        self.recomputesActivations = recomputesActivations
    }

    package struct Outcome {
        package let text: String
        package let passed: Bool
    }

    /// Collective; every rank returns the same.
    package func run(on resources: RankResources) throws -> Outcome {
        let communicator = resources.communicator
        try communicator.agree {
            guard images >= communicator.size else {
                throw DebugError("--batch-size is \(images): it must be at least the number of ranks")
            }
            try loss.validate(images: images)
        }
        try MemoryCheck.refuse(
            MemoryEstimate(
                model,
                images: loss.masksPerImage * BatchPlan(dividing: images, ranks: communicator.size).largest(of: 0),
                elementBytes: ElementType.float32.byteCount), in: communicator)
        let counting = resources.counting
        _ = RandomDebugBatch(self, on: counting)
        try MemoryCheck.run(counting.memory, remedies: .batchSize, in: communicator)
        let batch = RandomDebugBatch(self, on: resources)
        try batch.prepare()
        let gradients = try TensorGradientCheck(batch, configured: loss)
        var lines = heading(gradients.total) + activationLines(batch.activations)
        lines += [
            "", "gradients: derivative of each loss along one direction of each tensor, and by finite differences",
            "tensor".padded(44) + "shape".padded(18) + "reconstruction".padded(26) + "regulariser".padded(26),
        ]
        var passed = true
        for name in batch.tensors {
            let result = try gradients.check(name)
            passed = passed && result.passed
            lines.append(
                name.padded(44) + batch.shape(of: name).map(String.init).joined(separator: "×").padded(18)
                    + result.columns.map { $0.padded(26) }.joined() + result.verdict)
        }
        lines += ["", "memory of this rank"] + MemoryReport.lines(resources.memory)
        lines += ["", passed ? "all gradients agree with finite differences" : "SOME GRADIENTS DIFFER"]
        return Outcome(text: lines.joined(separator: "\n"), passed: passed)
    }

    private func heading(_ value: Double) -> [String] {
        [
            "model      \(model.imageHeight)×\(model.imageWidth)×\(model.channels) images, "
                + "\(model.patches) patches of \(model.patchSize)×\(model.patchSize), \(model.keptPatches) kept",
            "encoder    \(model.depth) blocks, width \(model.embedDim), \(model.heads) heads; "
                + "decoder \(model.decoderDepth) blocks, width \(model.decoderEmbedDim), \(model.decoderHeads) heads",
            "work       \(number(Double(loss.masksPerImage) * model.flopsPerImage / 1e9)) GFLOP per image and training step",
            "loss       \(number(value)) on \(images) random images",
            "",
            "activations (this rank): shape, mean, standard deviation, largest magnitude",
        ]
    }

    private func activationLines(_ a: MaskedAutoencoder.Activations) -> [String] {
        a.stages.map { name, matrix in
            let values = matrix.array.map(Double.init)
            let mean = values.reduce(0, +) / Double(values.count)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
            let largest = values.reduce(0) { max($0, abs($1)) }
            return name.padded(24) + "\(matrix.rows)×\(matrix.columns)".padded(18) + number(mean).padded(13)
                + number(variance.squareRoot()).padded(13) + number(largest)
        }
    }

    private func number(_ value: Double) -> String { String(format: "%.5g", value) }
}
