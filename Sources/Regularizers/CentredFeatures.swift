internal import Layers
internal import Tensors

/// The mean feature, and features less their mean.
struct CentredFeatures: Sendable {
    /// [1, D]
    let mean: MatrixView<Double>
    /// The features that were centred last, and room for more.
    let rows: Matrix

    /// - Parameter images: the most features that are centred at a time.
    init(images: Int, width: Int, plan: MemoryPlan) {
        mean = plan.view(.exchange, "mean feature", rows: 1, columns: width)
        rows = plan.matrix(.exchange, "centred features", rows: images, columns: width)
    }

    /// Sets the mean to that of the rows of `z`.
    func formMean(of z: Matrix, in context: LayerContext) {
        context.forEachChunk(of: mean.columns) { columns in
            mean.columns(columns).clear()
            for row in 0..<z.rows {
                for column in columns { mean[0, column] += Double(z[row, column]) }
            }
            for column in columns { mean[0, column] /= Double(max(z.rows, 1)) }
        }
    }

    /// The rows of `z` less the mean, in `rows` until the next call.
    @discardableResult
    func centre(_ z: Matrix, in context: LayerContext) -> Matrix {
        let centred = rows.rows(0..<z.rows)
        context.forEachChunk(of: z.rows) { range in
            for row in range {
                for column in 0..<mean.columns {
                    centred[row, column] = Float(Double(z[row, column]) - mean[0, column])
                }
            }
        }
        return centred
    }
}
