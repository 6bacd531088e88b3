package import Safetensors
package import Layers
package import Tensors

/// The exponential moving average of a model's weights, as timm's ModelEmaV2: after each update
/// average ← d · average + (1 − d) · weights.
package final class WeightAverage: TeamJob {
    /// [1, n]
    package let values: Matrix
    private let weights: Matrix
    private let decay: Float
    private let rest: Float
    private let parameters: ParameterSet
    private let team: Team

    /// Files have a tensor's average under its name behind this.
    private static var prefix: String { "ema." }

    /// - Parameter decay: d, at least 0 and below 1.
    package init(of parameters: ParameterSet, decay: Double, team: Team, plan: MemoryPlan) {
        precondition(decay >= 0 && decay < 1)
        self.parameters = parameters
        self.team = team
        self.decay = Float(decay)
        rest = Float(1 - decay)
        weights = parameters.values
        values = plan.matrix(.moments, "average of the weights", rows: 1, columns: weights.count)
    }

    /// Memory for a copy that checkpoints are written from.
    func copy(in plan: MemoryPlan) -> Matrix {
        plan.matrix(.saving, "average of the weights, copy", rows: 1, columns: values.count)
    }

    /// Begins with the weights as they are.
    func begin() { values.copy(from: weights) }

    /// Takes in what an update has made.
    func follow() { team.run(self) }

    package func work(by member: TeamMember) {
        member.forEachPiece(of: weights.count, multipleOf: 16) { range in
            let (new, mean) = unsafe (weights.columns(range).pointer, values.columns(range).pointer)
            for index in 0..<range.count { unsafe mean[index] = decay * mean[index] + rest * new[index] }
        }
    }

    /// Has the model compute with the average, and afterwards with its weights again.
    package func whileInPlace<Result>(_ body: () throws -> Result) rethrows -> Result {
        exchange()
        defer { exchange() }
        return try body()
    }

    private func exchange() {
        team.run { [weights, values] member in
            member.forEachChunk(of: weights.count) { range in
                let (first, second) = unsafe (weights.columns(range).pointer, values.columns(range).pointer)
                for index in 0..<range.count { unsafe swap(&first[index], &second[index]) }
            }
        }
    }

    /// Goes on with the average in a checkpoint; one that has none begins with the weights.
    package func load(from file: SafetensorsFile) throws {
        guard let first = parameters.trainable.first, file[Self.prefix + first.name] != nil else { return begin() }
        for tensor in parameters.trainable {
            try file.read(
                Self.prefix + tensor.name, shape: tensor.shape,
                into: values.columns(parameters.range(of: tensor.name)))
        }
    }

    /// The average [1, n] of all trained tensors, by name.
    func namedTensors(_ values: Matrix) -> [NamedTensor] {
        parameters.trainable.map {
            NamedTensor(Self.prefix + $0.name, shape: $0.shape, values.columns(parameters.range(of: $0.name)))
        }
    }
}
