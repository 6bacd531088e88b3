internal import COpenBLAS
internal import Foundation
package import Tensors

/// Determinant and inverse of a symmetric positive definite matrix, in double precision, by LAPACK.
package struct CholeskyFactorization: Sendable {
    package let order: Int
    private let factor: MatrixView<Double>

    package init(order: Int, plan: MemoryPlan) {
        self.order = order
        factor = plan.view(.exchange, "Cholesky factor", rows: order, columns: order)
    }

    /// Replaces `matrix` [n, n] by (I + scale·matrix)⁻¹, of a matrix without negative eigenvalues.
    ///
    /// - Returns: log det(I + scale·matrix).
    package func invert(_ matrix: Matrix, scale: Double) -> Double {
        precondition(matrix.rows == order && matrix.columns == order)
        OpenBLAS.expect()
        fill(from: matrix, scale: scale)
        guard unsafe umae_dpotrf(Int32(order), factor.pointer) == 0 else {
            // Rounded and scaled by much a matrix may have negative eigenvalues after all.
            fill(from: matrix, scale: scale)
            return invertByEigenvalues(into: matrix)
        }
        var logDeterminant = 0.0
        for index in 0..<order { logDeterminant += 2 * log(factor[index, index]) }
        guard unsafe umae_dpotri(Int32(order), factor.pointer) == 0 else { preconditionFailure("a pivot is 0") }
        for row in 0..<order {
            for column in row..<order {
                // LAPACK's lower triangle, column after column.
                let value = Float(factor[row, column])
                matrix[row, column] = value
                matrix[column, row] = value
            }
        }
        return logDeterminant
    }

    private func fill(from matrix: Matrix, scale: Double) {
        for row in 0..<order {
            for column in 0..<order {
                factor[row, column] = scale * Double(matrix[row, column]) + (row == column ? 1 : 0)
            }
        }
    }

    /// From I + scale·matrix, none of whose eigenvalues is below 1 but for rounding.
    private func invertByEigenvalues(into matrix: Matrix) -> Double {
        let values = SymmetricEigen.decompose(factor).map { max($0, 1) }
        for row in 0..<order {
            for column in row..<order {
                var value = 0.0
                for index in 0..<order { value += factor[index, row] * factor[index, column] / values[index] }
                matrix[row, column] = Float(value)
                matrix[column, row] = Float(value)
            }
        }
        return values.reduce(0) { $0 + log($1) }
    }
}
