internal import Communication
internal import Tensors

/// Brings features to mean 0 and variance 1 in each dimension, as a BatchNorm without parameters over the whole data set
/// does.
struct FeatureScaling {
    private let means: [Double]
    private let factors: [Double]

    private static var epsilon: Double { 1e-6 }

    /// Of all ranks' rows. Collective.
    init(of rows: Matrix, in world: any Communicator) throws {
        let width = rows.columns
        var sums = [Double](repeating: 0, count: width + 1)
        for row in 0..<rows.rows { for column in 0..<width { sums[column] += Double(rows[row, column]) } }
        sums[width] = Double(rows.rows)
        try world.allReduce(&sums, .sum)
        let count = max(sums[width], 1)
        let means = (0..<width).map { sums[$0] / count }
        var squares = [Double](repeating: 0, count: width)
        for row in 0..<rows.rows {
            for column in 0..<width {
                let difference = Double(rows[row, column]) - means[column]
                squares[column] += difference * difference
            }
        }
        try world.allReduce(&squares, .sum)
        self.means = means
        factors = squares.map { 1 / ($0 / count + Self.epsilon).squareRoot() }
    }

    func scaled(_ rows: Matrix) -> Matrix {
        let result = Matrix(rows: rows.rows, columns: rows.columns)
        for row in 0..<rows.rows {
            for column in 0..<rows.columns {
                result[row, column] = Float((Double(rows[row, column]) - means[column]) * factors[column])
            }
        }
        return result
    }
}
