import Classification
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite("A classifier is timm's VisionTransformer (scripts/fixtures/classification.py)")
struct ClassifierParityTests {
    /// fp32 against double.
    static let tolerance = 2e-5

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let pooling: ClassifierConfiguration.Pooling
        /// Whether branches are dropped and labels mixed.
        let isDropped: Bool
        let smoothing: Double
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "mean", pooling: .mean, isDropped: false, smoothing: 0.1),
        Case(name: "cls", pooling: .cls, isDropped: false, smoothing: 0),
        Case(name: "mean-dropped", pooling: .mean, isDropped: true, smoothing: 0.1),
        Case(name: "cls-dropped", pooling: .cls, isDropped: true, smoothing: 0),
    ]

    /// Logits, loss and gradients, by the fixture's names.
    private static func run(
        _ test: Case, _ element: ElementType, threads: Int, recomputes: Bool
    ) throws -> [String: [Float]] {
        let fixture = try ClassificationFixture()
        let bench = try ClassifierBench(
            ClassificationFixture.configuration(test.pooling, dropPath: test.isDropped ? 0.4 : 0), element,
            images: ClassificationFixture.images, threads: threads, recomputes: recomputes)
        try bench.model.loadWeights(from: fixture.weights)
        if test.isDropped { try fixture.setFactors(of: bench.activations) }
        let outcome = bench.differentiate(
            try fixture.matrix("images"), try fixture.mixedLabels(isMixed: test.isDropped), smoothing: test.smoothing)
        var own = ["\(test.name).logits": outcome.logits, "\(test.name).loss": [Float(outcome.crossEntropy)]]
        for specification in bench.model.parameters.trainable {
            own["\(test.name).grad.\(specification.name)"] =
                bench.model.parameters[specification.name].gradient.array
        }
        return own
    }

    @Test(
        "logits, loss and every gradient, also with branches dropped, labels mixed and blocks computed again",
        arguments: cases, [(1, false), (2, false), (2, true)])
    func parity(of test: Case, how: (threads: Int, recomputes: Bool)) throws {
        let fixture = try ClassificationFixture()
        let own = try Self.run(test, .float32, threads: how.threads, recomputes: how.recomputes)
        #expect(Set(fixture.names.filter { $0.hasPrefix("\(test.name).") }) == Set(own.keys))
        for (name, values) in own {
            let error = relativeError(values, try fixture.values(name))
            #expect(error <= Self.tolerance, "\(name): \(error)")
        }
    }

    @Test("bfloat16 is as near as its rounding, and the same where blocks are computed again", arguments: cases)
    func bfloat16(of test: Case) throws {
        let fixture = try ClassificationFixture()
        let own = try Self.run(test, .bfloat16, threads: 2, recomputes: false)
        for (name, values) in own {
            let expected = try fixture.values(name)
            // A softmax over all tokens does not see what all keys have in common: the gradient of their bias is rounding.
            guard !name.hasSuffix("qkv.bias") else { continue }
            let error = relativeError(values, expected)
            #expect(error <= 0.1, "\(name): \(error)")
        }
        #expect(try Self.run(test, .bfloat16, threads: 1, recomputes: true) == own)
    }

    @Test("every gradient is the slope of the loss", arguments: cases.suffix(2))
    func slopes(of test: Case) throws {
        let fixture = try ClassificationFixture()
        let bench = try ClassifierBench(
            ClassificationFixture.configuration(test.pooling, dropPath: 0.4), images: ClassificationFixture.images)
        try bench.model.loadWeights(from: fixture.weights)
        try fixture.setFactors(of: bench.activations)
        let (images, labels) = (try fixture.matrix("images"), try fixture.mixedLabels(isMixed: true))
        func loss() -> Double { bench.differentiate(images, labels, smoothing: test.smoothing).crossEntropy }
        _ = loss()
        let parameters = bench.model.parameters
        let gradients = parameters.gradients.array
        for tensor in parameters.trainable {
            let range = parameters.range(of: tensor.name)
            let (values, gradient) = (parameters.values.columns(range), gradients[range].map(Double.init))
            var random = SampleRandom(seed: 1, epoch: 0, sample: range.lowerBound, purpose: .initialization)
            let direction = range.map { _ in Double(random.uniform(-1, 1)) }
            let original = values.array
            func moved(_ step: Double) -> Double {
                values.copy(from: zip(original, direction).map { Float(Double($0) + step * $1) })
                defer { values.copy(from: original) }
                return loss()
            }
            let slope = (moved(2e-3) - moved(-2e-3)) / 4e-3
            let product = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
            let scale = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
            // Rounding of the loss over the step, and the step's own square.
            #expect(abs(slope - product) <= 5e-3 * max(scale, 0.05), "\(tensor.name): \(slope), \(product)")
        }
    }
}
