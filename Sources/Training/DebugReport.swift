package import Communication
internal import DataParallel
import Foundation
internal import Layers
package import Models
package import Tensors

/// Builds a model, checks every gradient by finite differences on a small random batch, and tells what a person
/// debugging wants to know: shapes, statistics, memory.
package struct DebugReport {
    package let model: MaskedAutoencoderConfiguration
    package let loss: LossConfiguration
    package let precision: ElementType
    package let images: Int
    package let seed: UInt64

    package init(
        model: MaskedAutoencoderConfiguration, loss: LossConfiguration, precision: ElementType, images: Int,
        seed: UInt64
    ) {
        self.model = model
        self.loss = loss
        self.precision = precision
        self.images = images
        self.seed = seed
    }

    package struct Outcome {
        package let text: String
        package let passed: Bool
    }

    /// Relative difference that fp32 rounding explains: losses carry 1e-7, and the stencil divides their differences,
    /// some 1e-3 of the loss, by the step.
    private static var tolerance: Double { 5e-3 }

    /// Collective; every rank returns the same.
    package func run(communicator: any Communicator, team: Team) throws -> Outcome {
        let plan = MemoryPlan()
        try communicator.agree {
            guard images >= communicator.size else {
                throw DebugError("--batch-size is \(images): it must be at least the number of ranks")
            }
            try loss.validate(images: images)
        }
        let counts = RowShares.counts(of: images, ranks: communicator.size)
        let own = RowShares.range(of: communicator.rank, in: counts)
        try MemoryCheck.refuse(
            MemoryEstimate(model, images: counts.reduce(0, max), elementBytes: precision.byteCount), in: communicator)
        let counted = MemoryPlan(isBacked: false)
        _ = layOut(counts, communicator, team, counted)
        try MemoryCheck.run(counted, remedies: .batchSize, in: communicator)
        let (pass, batch, gradient) = layOut(counts, communicator, team, plan)
        let network = pass.model
        network.initialize(seed: seed)
        for (row, sample) in own.enumerated() {
            var random = SampleRandom(seed: seed, epoch: 0, sample: sample, purpose: .syntheticImage)
            for column in 0..<batch.columns { batch[row, column] = random.normal() }
        }
        pass.activations(for: 0).masking.draw(
            seed: seed, epoch: 0, samples: MatrixView(rows: own.count, columns: 1, values: Array(own)))

        func totalLoss() throws -> Double {
            let shares = try pass.accumulate(batch, labels: nil, micro: 0)
            var sums = [shares.reconstruction + loss.weight * shares.uniformity / pass.divisors.loss]
            try communicator.allReduce(&sums, .sum)
            return sums[0]
        }
        let value = try totalLoss()
        gradient.copy(from: pass.reducer.gradients)
        var lines = heading(value) + activationLines(pass.activations(for: 0))
        lines += ["", "gradients: each tensor's norm, and its slope along the gradient by finite differences"]
        var passed = true
        for specification in network.parameters.trainable {
            let range = network.parameters.range(of: specification.name)
            let direction = gradient.columns(range).array
            let norm = direction.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let weights = network.parameters.values.columns(range)
            let original = weights.array
            // A step that moves the loss by about a thousandth of itself.
            let step = 1e-3 * max(abs(value), 1e-6) / max(norm, 1e-12)
            let slope = try GradientCheck.slope(step: step) { distance in
                weights.copy(
                    from: zip(original, direction).map { Float(Double($0) + distance * Double($1) / max(norm, 1e-30)) })
                return try totalLoss()
            }
            weights.copy(from: original)
            let difference = abs(slope - norm) / max(norm, 1e-30)
            let ok = difference < Self.tolerance || norm < 1e-9
            passed = passed && ok
            let shape = specification.shape.map(String.init).joined(separator: "×")
            lines.append(
                specification.name.padded(44) + shape.padded(18) + number(norm).padded(13) + number(slope).padded(13)
                    + (ok ? "ok" : "DIFFERS by \(number(difference))"))
        }
        lines += ["", "memory of this rank"] + MemoryReport.lines(plan)
        lines += ["", passed ? "all gradients agree with finite differences" : "SOME GRADIENTS DIFFER"]
        return Outcome(text: lines.joined(separator: "\n"), passed: passed)
    }

    /// The pass, the images of this rank [n, C·H·W], and room for a copy of the gradients.
    private func layOut(
        _ counts: [Int], _ communicator: any Communicator, _ team: Team, _ plan: MemoryPlan
    ) -> (GradientPass, Matrix, Matrix) {
        var options = MaskedAutoencoder.Activations.Options()
        options.predictsAll = true
        options.keepsStages = true
        let pass = GradientPass(
            MaskedAutoencoder(model, precision, plan: plan), loss: loss, classes: nil,
            division: MicroBatches(dividing: images, ranks: communicator.size, accumulation: 1), options: options,
            communicator: communicator, team: team, clock: PhaseClock(), plan: plan)
        return (
            pass,
            plan.matrix(.batches, "images", rows: counts[communicator.rank], columns: model.imageValues),
            plan.matrix(.gradients, "gradients, copy", rows: 1, columns: pass.model.parameters.gradients.count)
        )
    }

    private func heading(_ value: Double) -> [String] {
        [
            "model      \(model.imageHeight)×\(model.imageWidth)×\(model.channels) images, "
                + "\(model.patches) patches of \(model.patchSize)×\(model.patchSize), \(model.keptPatches) kept",
            "encoder    \(model.depth) blocks, width \(model.embedDim), \(model.heads) heads; "
                + "decoder \(model.decoderDepth) blocks, width \(model.decoderEmbedDim), \(model.decoderHeads) heads",
            "work       \(number(model.flopsPerImage / 1e9)) GFLOP per image and training step",
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

extension String {
    func padded(_ width: Int) -> String {
        count >= width ? self + " " : self + String(repeating: " ", count: width - count)
    }
}
