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
        let isMixed: Bool
        let smoothing: Double
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "mean", pooling: .mean, isMixed: false, smoothing: 0.1),
        Case(name: "cls", pooling: .cls, isMixed: false, smoothing: 0),
    ]

    @Test("logits, loss and every gradient", arguments: cases, [1, 2])
    func parity(of test: Case, threads: Int) throws {
        let fixture = try ClassificationFixture()
        let bench = try ClassifierBench(
            ClassificationFixture.configuration(test.pooling), images: ClassificationFixture.images, threads: threads)
        try bench.model.loadWeights(from: fixture.weights)
        let outcome = bench.differentiate(
            try fixture.matrix("images"), try fixture.mixedLabels(isMixed: test.isMixed), smoothing: test.smoothing)

        var own = ["logits": outcome.logits, "loss": [Float(outcome.crossEntropy)]]
        for specification in bench.model.parameters.trainable {
            own["grad.\(specification.name)"] = bench.model.parameters[specification.name].gradient.array
        }
        #expect(
            Set(fixture.names.filter { $0.hasPrefix("\(test.name).") }) == Set(own.keys.map { "\(test.name).\($0)" }))
        for (name, values) in own {
            let error = relativeError(values, try fixture.values("\(test.name).\(name)"))
            #expect(error <= Self.tolerance, "\(name): \(error)")
        }
    }
}
