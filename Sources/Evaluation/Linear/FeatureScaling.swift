internal import Communication
internal import Tensors

/// Brings features to mean 0 and variance 1 in each dimension, as a BatchNorm without parameters does.
struct FeatureScaling {
    private let means: [Double]
    private let factors: [Double]

    private static var epsilon: Double { 1e-6 }

    init(means: [Double], variances: [Double], epsilon: Double) {
        self.means = means
        factors = variances.map { 1 / ($0 + epsilon).squareRoot() }
    }

    /// By the moments of all ranks' rows. Collective.
    init(of rows: Matrix, in world: any Communicator) throws {
        let moments = try Self.moments(of: rows, in: world)
        self.init(means: moments.means, variances: moments.variances, epsilon: Self.epsilon)
    }

    /// Mean and biased variance of each column, in two passes. Collective where there is a world.
    static func moments(
        of rows: Matrix, in world: (any Communicator)?
    ) throws -> (means: [Double], variances: [Double], count: Double) {
        let width = rows.columns
        var sums = [Double](repeating: 0, count: width + 1)
        for row in 0..<rows.rows { for column in 0..<width { sums[column] += Double(rows[row, column]) } }
        sums[width] = Double(rows.rows)
        try world?.allReduce(&sums, .sum)
        let count = max(sums[width], 1)
        let means = (0..<width).map { sums[$0] / count }
        var squares = [Double](repeating: 0, count: width)
        for row in 0..<rows.rows {
            for column in 0..<width {
                let difference = Double(rows[row, column]) - means[column]
                squares[column] += difference * difference
            }
        }
        try world?.allReduce(&squares, .sum)
        return (means, squares.map { $0 / count }, sums[width])
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
