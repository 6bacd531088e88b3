package import Tensors

/// LARS (You, Gitman and Ginsburg 2017) as facebookresearch/mae `util/lars.py` has it: SGD with momentum, where the update of
/// a tensor of several dimensions is first brought to a share of its own norm. For few and small tensors: one thread each.
package final class LARS: Optimizer {
    package struct Configuration: Codable, Equatable, Sendable {
        package var momentum = 0.9
        package var weightDecay = 0.0
        /// The share.
        package var trust = 0.001

        package init() {}
    }

    /// One tensor.
    package struct Tensor: Equatable, Sendable {
        package var group: ParameterGroup
        /// Whether it has two dimensions at least, so that its update is scaled, and its weights decay.
        package var isScaled: Bool

        package init(_ group: ParameterGroup, isScaled: Bool) {
            self.group = group
            self.isScaled = isScaled
        }
    }

    package let configuration: Configuration
    package let owned: [Range<Int>]
    /// [1, n]
    package let momentum: Matrix
    private let values: Matrix
    private let tensors: [Tensor]

    package var moments: [Matrix] { [momentum] }
    /// As in util/lars.py.
    package static var momentNames: [String] { ["mu"] }

    /// - Parameters:
    ///   - values: [1, n].
    ///   - tensors: in order and without gaps.
    package init(values: Matrix, tensors: [Tensor], configuration: Configuration = .init(), plan: MemoryPlan) {
        let end = tensors.reduce(0) { end, tensor in
            precondition(tensor.group.range.lowerBound == end, "tensors are not contiguous")
            return tensor.group.range.upperBound
        }
        precondition(end == values.count, "tensors do not cover the parameters")
        self.configuration = configuration
        self.values = values
        self.tensors = tensors
        owned = [0..<values.count]
        momentum = plan.matrix(.moments, "mu", rows: 1, columns: values.count)
    }

    package func update(
        _ gradients: Matrix, step: Int, learningRate: Double, gradientScale: Double = 1,
        within range: Range<Int>? = nil, savingTo snapshot: OptimizerSnapshot? = nil, by member: TeamMember
    ) {
        precondition(gradients.count == values.count && range == nil)
        member.forEachChunk(of: tensors.count) { chunk in
            for tensor in tensors[chunk] {
                if let snapshot {
                    snapshot.values.columns(tensor.group.range).copy(from: values.columns(tensor.group.range))
                    snapshot.moments[0].columns(tensor.group.range).copy(from: momentum.columns(tensor.group.range))
                }
                update(tensor, gradients, rate: Float(learningRate * tensor.group.rateScale), Float(gradientScale))
            }
        }
    }

    private func update(_ tensor: Tensor, _ gradients: Matrix, rate: Float, _ gradientScale: Float) {
        let decay = tensor.isScaled ? Float(configuration.weightDecay) : 0
        let keep = Float(configuration.momentum)
        let range = tensor.group.range
        gradients.columns(range).withElements { gradient in
            values.columns(range).withMutableElements { weights in
                momentum.columns(range).withMutableElements { momentum in
                    var factor: Float = 1
                    if tensor.isScaled {
                        var (weightSquares, updateSquares) = (0.0, 0.0)
                        for index in weights.indices {
                            let update = gradientScale * gradient[index] + decay * weights[index]
                            weightSquares += Double(weights[index]) * Double(weights[index])
                            updateSquares += Double(update) * Double(update)
                        }
                        if weightSquares > 0 && updateSquares > 0 {
                            factor = Float(configuration.trust * (weightSquares / updateSquares).squareRoot())
                        }
                    }
                    for index in weights.indices {
                        let update = factor * (gradientScale * gradient[index] + decay * weights[index])
                        momentum[index] = keep * momentum[index] + update
                        weights[index] -= rate * momentum[index]
                    }
                }
            }
        }
    }
}
