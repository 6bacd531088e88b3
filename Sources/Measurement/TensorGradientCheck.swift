import Foundation
internal import Models
internal import Regularizers
internal import Tensors
internal import Pretraining
internal import Runs

/// Holds the gradients of a model against finite differences, tensor by tensor, reconstruction and regulariser each by
/// itself: in their sum a regulariser of small λ would not be seen.
struct TensorGradientCheck {
    /// What was found of one tensor.
    struct Result {
        /// Derivative and slope of reconstruction and regulariser.
        let columns: [String]
        let verdict: String
        let passed: Bool
    }

    /// Reconstruction + λ · regulariser, as configured.
    let total: Double
    private let batch: RandomDebugBatch
    /// The gradients of reconstruction and of regulariser with respect to all parameters.
    private let gradients: [[Double]]
    /// The gradient of the configured sum of both losses, and its length.
    private let whole: [Double]
    private let wholeLength: Double
    private let lamb: Double
    /// What rounding changes of each loss.
    private let noise: [Double]

    private static var names: [String] { ["reconstruction", "regulariser"] }

    /// λ of the pass that the regulariser's gradient is taken from: large enough that rounding of the other gradient, whose
    /// sum it comes in, is nothing beside it.
    private static var largeLamb: Double { 1e6 }

    /// Collective.
    init(_ batch: RandomDebugBatch, configured loss: LossConfiguration) throws {
        self.batch = batch
        lamb = loss.weight
        let reconstruction = try batch.gradient(lamb: 0)
        let hasRegularizer = loss.regularizer.kind != .none
        let regularizer: [Double] =
            hasRegularizer
            ? zip(try batch.gradient(lamb: Self.largeLamb), reconstruction).map {
                ($0 - $1) / (Self.largeLamb * batch.regularizerFactor)
            } : []
        gradients = hasRegularizer ? [reconstruction, regularizer] : [reconstruction]
        whole = try batch.gradient(lamb: loss.lamb)
        wholeLength = Self.length(whole)
        let losses = try batch.losses(lamb: loss.lamb)
        total = losses.reconstruction + lamb * losses.regularizer
        noise = try Self.noise(batch, losses: gradients.count)
    }

    /// How far each loss moves when all weights move by their own rounding. Collective.
    private static func noise(_ batch: RandomDebugBatch, losses count: Int) throws -> [Double] {
        let original = batch.weights.array
        var random = SampleRandom(seed: batch.seed, epoch: 1, sample: 0, purpose: .initialization)
        var values: [[Double]] = []
        for _ in 0..<8 {
            for index in original.indices {
                batch.weights[0, index] = original[index] * (1 + 0x1p-23 * (2 * random.uniform() - 1))
            }
            values.append(Self.list(try batch.losses(lamb: 0), count))
        }
        batch.weights.copy(from: original)
        return (0..<count).map { index in
            let own = values.map { $0[index] }
            let mean = own.reduce(0, +) / Double(own.count)
            return max((own.max() ?? 0) - (own.min() ?? 0), 0x1p-24 * abs(mean))
        }
    }

    private static func list(_ losses: RandomDebugBatch.Losses, _ count: Int) -> [Double] {
        Array([losses.reconstruction, losses.regularizer][..<count])
    }

    /// Collective.
    func check(_ tensor: String) throws -> Result {
        let first = try check(tensor, attempt: 0)
        // One of many slopes may be off by chance, but hardly again in another direction with other steps.
        return first.passed ? first : try check(tensor, attempt: 1)
    }

    private func check(_ tensor: String, attempt: Int) throws -> Result {
        let range = batch.range(of: tensor)
        let parts = gradients.map { Array($0[range]) }
        let direction = direction(parts, seed: 2 * range.lowerBound + attempt)
        let weights = batch.weights.columns(range)
        let original = weights.array
        // A tensor of zeros is to be filled with something; LayerNorm's weights are 1, others some 0.02 to 0.2.
        let size =
            max(Self.length(original.map(Double.init)), 0.1 * Double(range.count).squareRoot())
            * (attempt == 0 ? 1 : 0.37)
        let slopes = try GradientCheck.slopes(size: size, noise: noise) { distance in
            weights.copy(from: zip(original, direction).map { Float(Double($0) + distance * $1) })
            return Self.list(try batch.losses(lamb: 0), parts.count)
        }
        weights.copy(from: original)
        return verdict(slopes, derivatives: parts.map { Self.product($0, direction) }, range)
    }

    private func verdict(_ slopes: [GradientCheck.Slope], derivatives: [Double], _ range: Range<Int>) -> Result {
        var faults: [String] = []
        var isFlat = true
        for (index, slope) in slopes.enumerated() {
            isFlat = isFlat && !slope.resolves(derivatives[index])
            if !slope.agrees(with: derivatives[index]) {
                let size = max(abs(slope.value), abs(derivatives[index]))
                let difference = abs(slope.value - derivatives[index]) / size
                faults.append("\(Self.names[index]) DIFFERS by \(number(difference))")
            }
        }
        // Their sum is what trains.
        let factor = lamb * batch.regularizerFactor
        let (sum, own) = (
            range.map { gradients[0][$0] + (gradients.count > 1 ? factor * gradients[1][$0] : 0) }, Array(whole[range])
        )
        let difference = Self.length(zip(sum, own).map { $0 - $1 })
        // A tensor whose gradient is nothing but rounding is measured by the length of the whole gradient.
        if !(difference <= 1e-4 * Self.length(own) + 1e-6 * wholeLength) { faults.append("the sum DIFFERS") }
        let ok = isFlat ? "ok, too flat for fp32" : "ok"
        return Result(
            columns: (0..<2).map {
                $0 < slopes.count ? number(derivatives[$0]).padded(13) + number(slopes[$0].value) : ""
            }, verdict: faults.isEmpty ? ok : faults.joined(separator: ", "), passed: faults.isEmpty)
    }

    /// A direction of length 1: in equal parts the gradient of each loss and a random vector. Along the random part shows
    /// what a gradient lacks.
    private func direction(_ gradients: [[Double]], seed: Int) -> [Double] {
        var random = SampleRandom(seed: batch.seed, epoch: 2, sample: seed, purpose: .initialization)
        let count = gradients[0].count
        var sum = Self.normalized((0..<count).map { _ in Double(random.normal()) })
        for gradient in gradients.map(Self.normalized) { for index in sum.indices { sum[index] += gradient[index] } }
        return Self.normalized(sum)
    }

    private static func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    private static func length(_ a: [Double]) -> Double { product(a, a).squareRoot() }

    private static func normalized(_ a: [Double]) -> [Double] {
        let length = length(a)
        return length > 0 && length.isFinite ? a.map { $0 / length } : a.map { _ in 0 }
    }

    private func number(_ value: Double) -> String { String(format: "%.5g", value) }
}
