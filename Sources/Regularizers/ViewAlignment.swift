internal import Foundation
package import Layers
package import Tensors

/// How alike the features of the views of one image are, which reconstruction makes them: the mean cosine between two of
/// them. A figure to look at; no loss depends on it.
package struct ViewAlignment: Sendable {
    private let views: Int
    private let width: Int
    private let rows: RowTerms
    /// [1, n], of this rank's images.
    private let cosines: MatrixView<Double>
    /// [1, 1]
    private let sum: MatrixView<Double>

    /// - Parameter views: of each image, 2 at least.
    package init(of batch: FeatureBatch, views: Int, plan: MemoryPlan) {
        precondition(views > 1)
        self.views = views
        width = batch.width
        rows = RowTerms(batch, plan: plan)
        cosines = plan.view(.exchange, "cosines between views", rows: 1, columns: max(batch.images, 1))
        sum = plan.view(.exchange, "sum of cosines", rows: 1, columns: 1)
    }

    /// Takes the features [M·n, D] of a micro-batch whose images are `rows` of this rank's: those of one view of every image,
    /// then those of another.
    package func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext) {
        precondition(features.rows == views * rows.count && features.columns == width)
        context.forEachChunk(of: rows.count) { range in
            for image in range { cosines[0, rows.lowerBound + image] = meanCosine(features, image, of: rows.count) }
        }
    }

    /// Of all pairs of views of an image.
    private func meanCosine(_ features: Matrix, _ image: Int, of images: Int) -> Double {
        func product(_ a: Int, _ b: Int) -> Double {
            var total = 0.0
            for column in 0..<width {
                total += Double(features[a * images + image, column]) * Double(features[b * images + image, column])
            }
            return total
        }
        var total = 0.0
        for a in 1..<views {
            for b in 0..<a {
                let lengths = product(a, a) * product(b, b)
                // The direction of no feature at all is like none.
                if lengths > 0 { total += product(a, b) / lengths.squareRoot() }
            }
        }
        return total / Double(views * (views - 1) / 2)
    }

    /// Adds up what was recorded; `total` is that from here on.
    package func evaluate(in context: LayerContext) {
        let total = rows.sum(in: context) { cosines[0, $0] }
        if context.member.isFirst { sum[0, 0] = total }
    }

    /// The sum over this rank's images.
    package var total: Double { sum[0, 0] }
}
