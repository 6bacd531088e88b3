internal import CVectorKernels
package import Tensors

/// AdamW with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW: one pass over weights,
/// gradients and both moments.
package final class AdamW: Sendable {
    package struct Configuration: Codable, Equatable, Sendable {
        package var beta1: Double
        package var beta2: Double
        package var epsilon: Double
        package var weightDecay: Double

        /// MAE's: β (0.9, 0.95), ε 1e-8.
        package init(beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8, weightDecay: Double = 0.05) {
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
            self.weightDecay = weightDecay
        }
    }

    package let configuration: Configuration
    /// [1, n]: running means of the gradient and of its square.
    package let firstMoment: Matrix
    package let secondMoment: Matrix
    private let values: Matrix
    /// Contiguous parameters of one kind; together they cover all.
    private let segments: [Segment]

    private struct Segment {
        var range: Range<Int>
        let decays: Bool
    }

    /// - Parameters:
    ///   - values: [1, n].
    ///   - tensors: each tensor's range, in order and without gaps, and whether weight decay applies to it.
    package init(
        values: Matrix, tensors: [(range: Range<Int>, decays: Bool)], configuration: Configuration, plan: MemoryPlan
    ) {
        var segments: [Segment] = []
        var end = 0
        for tensor in tensors {
            precondition(tensor.range.lowerBound == end, "tensors are not contiguous")
            end = tensor.range.upperBound
            if let last = segments.last, last.decays == tensor.decays {
                segments[segments.count - 1].range = last.range.lowerBound..<end
            } else {
                segments.append(Segment(range: tensor.range, decays: tensor.decays))
            }
        }
        precondition(end == values.count)
        self.configuration = configuration
        self.values = values
        self.segments = segments
        firstMoment = plan.matrix(.moments, "first moment", rows: 1, columns: end)
        secondMoment = plan.matrix(.moments, "second moment", rows: 1, columns: end)
    }

    /// Every member of a team calls it.
    ///
    /// - Parameters:
    ///   - gradients: [1, n], of the global batch.
    ///   - step: updates made, this one included; from 1.
    ///   - gradientScale: the gradient used is `gradients` times this; how clipping is applied.
    package func update(
        _ gradients: Matrix, step: Int, learningRate: Double, gradientScale: Double = 1, by member: TeamMember
    ) {
        precondition(gradients.count == values.count)
        let c = configuration
        let correction1 = 1 - power(c.beta1, step)
        let correction2 = 1 - power(c.beta2, step)
        for segment in segments {
            member.forEachChunk(of: segment.range.count, multipleOf: 16) { chunk in
                let range = segment.range.lowerBound + chunk.lowerBound..<segment.range.lowerBound + chunk.upperBound
                unsafe umae_adamw(
                    values.columns(range).pointer, gradients.columns(range).pointer,
                    firstMoment.columns(range).pointer, secondMoment.columns(range).pointer, range.count,
                    Float(learningRate), Float(c.beta1), Float(c.beta2), Float(c.epsilon),
                    segment.decays ? Float(c.weightDecay) : 0, Float(correction1), Float(correction2),
                    Float(gradientScale))
            }
        }
    }

    private func power(_ base: Double, _ exponent: Int) -> Double {
        var result = 1.0
        var square = base
        var remaining = exponent
        while remaining > 0 {
            if remaining & 1 == 1 { result *= square }
            square *= square
            remaining >>= 1
        }
        return result
    }
}

/// timm's rule for weight decay: none on tensors of one dimension, nor on biases.
package func weightDecays(name: String, shape: [Int]) -> Bool { shape.count > 1 && !name.hasSuffix(".bias") }
