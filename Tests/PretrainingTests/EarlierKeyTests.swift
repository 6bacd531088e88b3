import Foundation
import Pretraining
import Regularizers
import Testing
import TrainingRuns

@Suite("What earlier versions wrote under other names is read, and written so again")
struct EarlierKeyTests {
    private func decoded<Value: Decodable>(_ text: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }

    private func keys(_ value: some Encodable) throws -> Set<String> {
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) as? [String: Any]
        return Set(try #require(object).keys)
    }

    @Test("the regulariser's figures of an epoch that a checkpoint interrupts")
    func metrics() throws {
        let metrics: EpochMetrics<PretrainFigures> = try decoded(
            """
            {"steps": 2, "images": 8, "reconstruction": 1.5, "uniformity": 0.75, "spectral": 0.25, "alignment": 0,
             "crossEntropy": 4, "correct": 3, "learningRate": 0.1, "gradientNorm": 2, "seconds": 1}
            """)
        #expect(metrics.figures.regularizer == 0.75 && metrics.figures.inverseEffectiveRank == 0.25)
        #expect(
            try keys(metrics) == [
                "steps", "images", "reconstruction", "uniformity", "spectral", "alignment", "crossEntropy", "correct",
                "learningRate", "gradientNorm", "seconds",
            ])
    }

    @Test("how features travel")
    func transport() throws {
        let configuration: RegularizerConfiguration = try decoded(
            #"{"kind": "tcr", "exchange": "gram", "tcrMu": 2, "uniformityT": 3}"#)
        #expect(configuration.kind == .tcr && configuration.transport == .gram)
        #expect(configuration.tcrMu == 2 && configuration.uniformityT == 3)
        #expect(try keys(configuration) == ["kind", "exchange", "tcrMu", "uniformityT"])
    }
}
