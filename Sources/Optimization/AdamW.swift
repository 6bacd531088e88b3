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

    /// Memory for what weights and moments were before an update, [1, n] each.
    package struct Snapshot: Sendable {
        package let values: Matrix
        package let firstMoment: Matrix
        package let secondMoment: Matrix

        package init(count: Int, plan: MemoryPlan) {
            func copy(_ name: String) -> Matrix { plan.matrix(.saving, "\(name), copy", rows: 1, columns: count) }
            values = copy("weights")
            firstMoment = copy("first moment")
            secondMoment = copy("second moment")
        }
    }

    package let configuration: Configuration
    /// [1, m]: running means of the gradient and of its square, of the parameters in `owned`, one after another.
    package let firstMoment: Matrix
    package let secondMoment: Matrix
    /// The parameters that are updated here, in order; all of them, or this rank's share.
    package let owned: [Range<Int>]
    private let values: Matrix
    /// Contiguous parameters of one kind; together they cover what is owned.
    private let segments: [Segment]

    private struct Segment {
        var range: Range<Int>
        let decays: Bool
        /// Of its first element in the moments.
        let place: Int
    }

    /// - Parameters:
    ///   - values: [1, n].
    ///   - tensors: each tensor's range, in order and without gaps, and whether weight decay applies to it.
    ///   - owned: the parameters to update, in order; nil for all.
    package init(
        values: Matrix, tensors: [(range: Range<Int>, decays: Bool)], owned: [Range<Int>]? = nil,
        configuration: Configuration, plan: MemoryPlan
    ) {
        let owned = owned ?? [0..<values.count]
        var kinds: [(range: Range<Int>, decays: Bool)] = []
        var end = 0
        for tensor in tensors {
            precondition(tensor.range.lowerBound == end, "tensors are not contiguous")
            end = tensor.range.upperBound
            if let last = kinds.last, last.decays == tensor.decays {
                kinds[kinds.count - 1].range = last.range.lowerBound..<end
            } else {
                kinds.append(tensor)
            }
        }
        precondition(end == values.count)
        var segments: [Segment] = []
        var place = 0
        for part in owned {
            for kind in kinds where kind.range.overlaps(part) {
                let range = kind.range.clamped(to: part)
                segments.append(Segment(range: range, decays: kind.decays, place: place))
                place += range.count
            }
        }
        self.configuration = configuration
        self.values = values
        self.owned = owned
        self.segments = segments
        firstMoment = plan.matrix(.moments, "first moment", rows: 1, columns: place)
        secondMoment = plan.matrix(.moments, "second moment", rows: 1, columns: place)
    }

    /// Every member of a team calls it.
    ///
    /// - Parameters:
    ///   - gradients: [1, n], of the global batch.
    ///   - step: updates that the moments have seen, this one included; from 1.
    ///   - gradientScale: the gradient used is `gradients` times this; how clipping is applied.
    ///   - range: the parameters to look at; nil for all.
    ///   - snapshot: gets weights and moments as they were, in the same pass over memory; everything must be owned.
    package func update(
        _ gradients: Matrix, step: Int, learningRate: Double, gradientScale: Double = 1,
        within range: Range<Int>? = nil,
        savingTo snapshot: Snapshot? = nil, by member: TeamMember
    ) {
        precondition(gradients.count == values.count)
        let c = configuration
        let correction1 = 1 - power(c.beta1, step)
        let correction2 = 1 - power(c.beta2, step)
        for segment in segments {
            let wanted = range.map { segment.range.clamped(to: $0) } ?? segment.range
            guard !wanted.isEmpty else { continue }
            member.forEachPiece(of: wanted.count, multipleOf: 16) { chunk in
                // What is copied is then updated while it is still in the caches.
                let size = snapshot == nil ? chunk.count : Self.copiedAtOnce
                for first in stride(from: chunk.lowerBound, to: chunk.upperBound, by: size) {
                    let range = wanted.lowerBound + first..<wanted.lowerBound + min(first + size, chunk.upperBound)
                    let start = segment.place + range.lowerBound - segment.range.lowerBound
                    let moments = start..<start + range.count
                    if let snapshot { copy(range, to: snapshot) }
                    unsafe umae_adamw(
                        values.columns(range).pointer, gradients.columns(range).pointer,
                        firstMoment.columns(moments).pointer, secondMoment.columns(moments).pointer, range.count,
                        Float(learningRate), Float(c.beta1), Float(c.beta2), Float(c.epsilon),
                        segment.decays ? Float(c.weightDecay) : 0, Float(correction1), Float(correction2),
                        Float(gradientScale))
                }
            }
        }
    }

    private static var copiedAtOnce: Int { 1 << 13 }

    /// Where everything is owned, moments lie as weights do.
    private func copy(_ range: Range<Int>, to snapshot: Snapshot) {
        for (source, target) in [
            (values, snapshot.values), (firstMoment, snapshot.firstMoment), (secondMoment, snapshot.secondMoment),
        ] {
            target.columns(range).copy(from: source.columns(range))
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
