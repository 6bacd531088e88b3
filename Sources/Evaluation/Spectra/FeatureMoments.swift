package import Communication
internal import LinearAlgebra
package import Tensors

/// Sums over the features of all ranks, in double precision: all that their spectra are functions of.
package struct FeatureMoments {
    package let count: Double
    /// [1, D], the sum of all rows.
    package let sum: [Double]
    /// [D, D], the sum of the products of each row with itself: ZᵀZ.
    package let gram: MatrixView<Double>

    /// Rows that are converted at a time.
    private static var block: Int { 1024 }

    /// Collective; every rank has the same.
    ///
    /// - Parameter rows: [n, D] of this rank.
    package init(of rows: Matrix, in world: any Communicator) throws {
        let width = rows.columns
        let gram = MatrixView<Double>(rows: width, columns: width)
        var sums = [Double](repeating: 0, count: width + 1)
        sums[width] = Double(rows.rows)
        for first in stride(from: 0, to: rows.rows, by: Self.block) {
            let part = rows.rows(first..<min(first + Self.block, rows.rows))
            let values = MatrixView<Double>(rows: part.rows, columns: width)
            for row in 0..<part.rows {
                for column in 0..<width {
                    let value = Double(part[row, column])
                    values[row, column] = value
                    sums[column] += value
                }
            }
            gram.addGram(of: values)
        }
        gram.mirror()
        try world.allReduce(&sums, .sum)
        var products = (0..<width).flatMap { row in (0..<width).map { gram[row, $0] } }
        try world.allReduce(&products, .sum)
        gram.copy(from: products)
        count = sums.removeLast()
        sum = sums
        self.gram = gram
    }

    /// Of the rows less their mean.
    func centredGram() -> MatrixView<Double> {
        let result = MatrixView<Double>(rows: gram.rows, columns: gram.columns)
        for row in 0..<gram.rows {
            for column in 0..<gram.columns {
                result[row, column] = gram[row, column] - sum[row] * sum[column] / max(count, 1)
            }
        }
        return result
    }

    /// A copy, for whoever overwrites it.
    func gramCopy() -> MatrixView<Double> {
        let result = MatrixView<Double>(rows: gram.rows, columns: gram.columns)
        result.copy(from: gram)
        return result
    }
}
