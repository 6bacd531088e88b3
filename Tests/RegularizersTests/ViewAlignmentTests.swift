import Layers
import Regularizers
import Tensors
import Testing

@Suite("How alike the views of an image are")
struct ViewAlignmentTests {
    /// The sum over images of the mean cosine between views.
    private func alignment(_ features: [[Float]], images: Int, parts: [Range<Int>]) throws -> Double {
        let (views, width) = (features.count / images, features[0].count)
        let plan = MemoryPlan()
        let batch = FeatureBatch(rankCounts: [images], rank: 0, microImages: parts[0].count, width: width)
        let alignment = ViewAlignment(of: batch, views: views, plan: plan)
        let team = try Team(threads: 2)
        let contexts = LayerContext.makeAll(team: team, maximumWidth: width, scratchBytes: 0, plan: plan)
        for part in parts {
            let rows = (0..<views).flatMap { view in part.flatMap { features[view * images + $0] } }
            let matrix = Matrix(rows: views * part.count, columns: width, values: rows)
            team.run { alignment.record(matrix, rows: part, in: contexts[$0.index]) }
        }
        team.run { alignment.evaluate(in: contexts[$0.index]) }
        return alignment.total
    }

    @Test("the mean cosine of its pairs, whatever the lengths of the features")
    func cosines() throws {
        // Of the first image all views have one direction; of the second 0°, 90° and 180°; the third has none.
        let features: [[Float]] = [
            [1, 2, 2], [3, 0, 0], [0, 0, 0],
            [2, 4, 4], [0, 0.5, 0], [0, 0, 0],
            [0.1, 0.2, 0.2], [-7, 0, 0], [0, 0, 0],
        ]
        let expected = 1 + (0 - 1 + 0) / 3.0
        for parts in [[0..<3], [0..<2, 2..<3]] {
            #expect(abs(try alignment(features, images: 3, parts: parts) - expected) < 1e-6)
        }
    }
}
