import Features
import Communication
import Evaluation
import Models
import Tensors
import TestSupport
import Testing

@Suite("Logistic regression is scikit-learn's, whatever ranks have which images")
struct LogisticRegressionTests {
    private struct Fit: Sendable {
        let weights: [Float]
        let bias: [Float]
        let top1: Double
        let top5: Double
    }

    private func fit(ranks: Int) throws -> [Fit] {
        let fixture = try EvaluationFixture()
        return try InProcessWorld.run(ranks: ranks) { world in
            let team = try Team(threads: 2)
            let training = try fixture.features("training", rank: world.rank, ranks: ranks)
            let test = try fixture.features("test", rank: world.rank, ranks: ranks)
            var probe = try LogisticRegression(
                training, .cls, classes: EvaluationFixture.classes, in: world, team)
            (probe.iterations, probe.tolerance) = (500, 1e-7)
            let classifier = try probe.fit(l2: 0.01)
            let accuracy = try ClassificationAccuracy(of: classifier, on: test, .cls, in: world, team)
            return Fit(
                weights: classifier.weights.array, bias: classifier.bias.array, top1: accuracy.top1, top5: accuracy.top5
            )
        }
    }

    @Test("weights and biases", arguments: [1, 2, 4])
    func coefficients(ranks: Int) throws {
        let fixture = try EvaluationFixture()
        for found in try fit(ranks: ranks) {
            #expect(relativeError(found.weights, try fixture.values("weight")) < 1e-3)
            let mean = found.bias.reduce(0, +) / Float(found.bias.count)
            #expect(relativeError(found.bias.map { $0 - mean }, try fixture.values("bias")) < 1e-3)
            // Of five classes the five likeliest are all.
            #expect(found.top5 == 1 && found.top1 > 0.7 && found.top1 < 1)
        }
    }
}
