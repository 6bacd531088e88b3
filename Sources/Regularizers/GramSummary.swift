internal import Tensors

/// What ranks add up instead of gathering features: the upper triangle of G, row by row, and then the sum of the features
/// [1, D(D + 1)/2 + D].
///
/// Features that collapse differ little from their mean, and G is nearly N·mean·meanᵀ. So G travels in double precision,
/// and is made of products of what remains when the mean is taken away.
struct GramSummary: Sendable {
    /// Of this rank.
    let own: MatrixView<Double>
    /// Of the global batch; `own` where nothing is added up.
    let all: MatrixView<Double>
    private let width: Int
    /// N
    private let count: Double

    /// - Parameter addsUp: whether ranks add their summaries up, not each the features of all.
    init(_ batch: FeatureBatch, addsUp: Bool, plan: MemoryPlan) {
        width = batch.width
        count = Double(batch.globalImages)
        let columns = Self.triangle(width) + width
        own = plan.view(.exchange, "Gram matrix of this rank", rows: 1, columns: columns)
        all =
            addsUp && batch.ranks > 1
            ? plan.view(.exchange, "Gram matrix of all ranks", rows: 1, columns: columns) : own
    }

    private static func triangle(_ width: Int) -> Int { width * (width + 1) / 2 }

    /// Sets `own` to that of `count` features: of their mean, and of G when the mean is taken away from them.
    func fill(centredGram gram: Matrix, mean: MatrixView<Double>, count: Int) {
        var place = 0
        for row in 0..<width {
            let factor = mean[0, row] * Double(count)
            for column in row..<width {
                own[0, place] = Double(gram[row, column]) + factor * mean[0, column]
                place += 1
            }
            own[0, Self.triangle(width) + row] = factor
        }
    }

    /// Sets the mean feature of the global batch.
    func unpackMean(into mean: MatrixView<Double>) {
        for column in 0..<width { mean[0, column] = all[0, Self.triangle(width) + column] / count }
    }

    /// Sets G of the global batch, or if `isCentred` C = G - N·mean·meanᵀ, with its diagonal or with zeros there.
    ///
    /// - Returns: the sum of its squares.
    @discardableResult
    func unpackGram(
        into gram: Matrix, mean: MatrixView<Double>, isCentred: Bool, keepsDiagonal: Bool = true
    ) -> Double {
        var (place, square) = (0, 0.0)
        for row in 0..<width {
            let factor = isCentred ? mean[0, row] * count : 0
            for column in row..<width {
                let isKept = keepsDiagonal || row != column
                let value = isKept ? all[0, place] - factor * mean[0, column] : 0
                gram[row, column] = Float(value)
                gram[column, row] = Float(value)
                square += (row == column ? 1 : 2) * value * value
                place += 1
            }
        }
        return square
    }
}
