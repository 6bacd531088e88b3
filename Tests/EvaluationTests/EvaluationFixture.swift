import Evaluation
import Features
import Models
import Foundation
import Safetensors
import Tensors
import Testing

/// Features with labels, and what scikit-learn makes of them (scripts/fixtures/evaluation.py).
struct EvaluationFixture {
    static let classes = 5
    private let file: SafetensorsFile

    init() throws {
        let path = Bundle.module.path(forResource: "evaluation", ofType: "safetensors", inDirectory: "Fixtures")
        file = try SafetensorsFile(path: try #require(path))
    }

    func values(_ name: String) throws -> [Float] { try file.floats(name) }

    /// `training` or `test`, of which a rank has its share.
    func features(_ name: String, rank: Int, ranks: Int) throws -> FeatureSet {
        let all = try file.floats(name)
        let labels = try file.floats("\(name)_labels").map { Int32($0) }
        let width = all.count / labels.count
        // Shares are uneven, and the first rank may have none.
        let ends = (0...ranks).map { rank in rank == ranks ? labels.count : labels.count * rank * rank / (ranks * ranks)
        }
        let counts = (0..<ranks).map { ends[$0 + 1] - ends[$0] }
        let own = ends[rank]..<ends[rank + 1]
        let rows = Matrix(
            rows: own.count, columns: width, values: Array(all[own.lowerBound * width..<own.upperBound * width]))
        return FeatureSet(
            rows: [.cls: rows], labels: Array(labels[own]), classCount: Self.classes, counts: counts, rank: rank)
    }
}
