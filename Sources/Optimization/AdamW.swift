internal import CVectorKernels
package import Tensors

/// AdamW with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW: one pass over weights,
/// gradients and both moments.
package final class AdamW: Optimizer {
    package struct Configuration: Codable, Equatable, Sendable {
        package var beta1: Double
        package var beta2: Double
        package var epsilon: Double
        package var weightDecay: Double
        /// Whether tensors of one dimension and biases decay too.
        package var decaysAll = false

        /// MAE's: β (0.9, 0.95), ε 1e-8.
        package init(beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8, weightDecay: Double = 0.05) {
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
            self.weightDecay = weightDecay
        }
    }

    package let configuration: Configuration
    /// [1, m]: running means of the gradient and of its square, of the parameters in `owned`, one after another.
    package let firstMoment: Matrix
    package let secondMoment: Matrix
    package let owned: [Range<Int>]
    private let values: Matrix
    /// Together they cover what is owned.
    private let segments: [Segment]

    private struct Segment {
        let group: ParameterGroup
        /// Where its moments begin among all.
        let place: Int
    }

    package var moments: [Matrix] { [firstMoment, secondMoment] }
    /// torch.optim.AdamW's.
    package static var momentNames: [String] { ["exp_avg", "exp_avg_sq"] }

    /// - Parameters:
    ///   - values: [1, n].
    ///   - tensors: one group for each tensor, in order and without gaps.
    ///   - owned: the parameters to update, in order; nil for all.
    package init(
        values: Matrix, tensors: [ParameterGroup], owned: [Range<Int>]? = nil,
        configuration: Configuration, plan: MemoryPlan
    ) {
        let owned = owned ?? [0..<values.count]
        let groups = ParameterGroup.joined(tensors, count: values.count)
        var segments: [Segment] = []
        var place = 0
        for part in owned {
            for group in groups where group.range.overlaps(part) {
                var own = group
                own.range = group.range.clamped(to: part)
                segments.append(Segment(group: own, place: place))
                place += own.range.count
            }
        }
        self.configuration = configuration
        self.values = values
        self.owned = owned
        self.segments = segments
        firstMoment = plan.matrix(.moments, "exp_avg", rows: 1, columns: place)
        secondMoment = plan.matrix(.moments, "exp_avg_sq", rows: 1, columns: place)
    }

    package func update(
        _ gradients: Matrix, step: Int, learningRate: Double, gradientScale: Double = 1,
        within range: Range<Int>? = nil,
        savingTo snapshot: OptimizerSnapshot? = nil, by member: TeamMember
    ) {
        precondition(gradients.count == values.count)
        let c = configuration
        let correction1 = 1 - power(c.beta1, step)
        let correction2 = 1 - power(c.beta2, step)
        for segment in segments {
            let group = segment.group
            let wanted = range.map { group.range.clamped(to: $0) } ?? group.range
            guard !wanted.isEmpty else { continue }
            let rate = Float(learningRate * group.rateScale)
            member.forEachPiece(of: wanted.count, multipleOf: 16) { chunk in
                // What is copied is then updated while it is still in the caches.
                let size = snapshot == nil ? chunk.count : Self.copiedAtOnce
                for first in stride(from: chunk.lowerBound, to: chunk.upperBound, by: size) {
                    let range = wanted.lowerBound + first..<wanted.lowerBound + min(first + size, chunk.upperBound)
                    let start = segment.place + range.lowerBound - group.range.lowerBound
                    let moments = start..<start + range.count
                    if let snapshot { copy(range, to: snapshot) }
                    unsafe umae_adamw(
                        values.columns(range).pointer, gradients.columns(range).pointer,
                        firstMoment.columns(moments).pointer, secondMoment.columns(moments).pointer, range.count,
                        rate, Float(c.beta1), Float(c.beta2), Float(c.epsilon),
                        group.decays ? Float(c.weightDecay) : 0, Float(correction1), Float(correction2),
                        Float(gradientScale))
                }
            }
        }
    }

    private static var copiedAtOnce: Int { 1 << 13 }

    /// Where everything is owned, moments lie as weights do.
    private func copy(_ range: Range<Int>, to snapshot: OptimizerSnapshot) {
        snapshot.values.columns(range).copy(from: values.columns(range))
        snapshot.moments[0].columns(range).copy(from: firstMoment.columns(range))
        snapshot.moments[1].columns(range).copy(from: secondMoment.columns(range))
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
