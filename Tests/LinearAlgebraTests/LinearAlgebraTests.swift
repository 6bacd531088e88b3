import Foundation
import LinearAlgebra
import Tensors
import Testing

struct LinearAlgebraTests {
    /// The rows' products summed, of numbers that repeat nowhere.
    private static func gram(_ order: Int, rows: Int) -> MatrixView<Double> {
        let values = MatrixView<Double>(rows: rows, columns: order)
        for row in 0..<rows {
            for column in 0..<order {
                let step: Int = (row * 37 + column * column * 11 + 5) % 101
                values[row, column] = Double(step) / 50 - 1
            }
        }
        let gram = MatrixView<Double>(rows: order, columns: order)
        gram.addGram(of: values)
        gram.mirror()
        for row in 0..<order {
            for column in 0..<order {
                var expected = 0.0
                for index in 0..<rows { expected += values[index, row] * values[index, column] }
                #expect(abs(gram[row, column] - expected) < 1e-9)
            }
        }
        return gram
    }

    @Test func eigenvectorsAreMultipliedByTheirEigenvalues() {
        let matrix = Self.gram(7, rows: 11)
        let rows = MatrixView<Double>(rows: 7, columns: 7)
        for row in 0..<7 { for column in 0..<7 { rows[row, column] = matrix[row, column] } }
        let values = SymmetricEigen.decompose(rows)
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 })
        let products = MatrixView<Double>.product(rows, matrix)
        for index in 0..<7 {
            for column in 0..<7 { #expect(abs(products[index, column] - values[index] * rows[index, column]) < 1e-9) }
        }
        let identity = MatrixView<Double>.product(rows, rows.transposed())
        for row in 0..<7 {
            for column in 0..<7 { #expect(abs(identity[row, column] - (row == column ? 1 : 0)) < 1e-12) }
        }
        // Without vectors the values are the same.
        for (value, other) in zip(values, SymmetricEigen.values(of: matrix)) { #expect(abs(value - other) < 1e-9) }
    }

    @Test func aMatrixOfOneColumnHasOneEigenvalue() {
        #expect(SymmetricEigen.values(of: MatrixView(rows: 1, columns: 1, values: [3])) == [3])
        #expect(SymmetricEigen.values(of: MatrixView<Double>(rows: 0, columns: 0)).isEmpty)
    }

    @Test(arguments: [1, 2, 5, 33]) func theInverseTimesItsMatrixIsTheIdentity(order: Int) {
        let gram = Self.gram(order, rows: order + 3)
        let matrix = Matrix(
            rows: order, columns: order, values: (0..<order * order).map { Float(gram[$0 / order, $0 % order]) })
        let original = (0..<order * order).map { Double(matrix[$0 / order, $0 % order]) }
        let logDeterminant = CholeskyFactorization(order: order, plan: MemoryPlan()).invert(matrix, scale: 0.5)
        for row in 0..<order {
            for column in 0..<order {
                var value = 0.0
                for k in 0..<order {
                    value += Double(matrix[row, k]) * (0.5 * original[k * order + column] + (k == column ? 1 : 0))
                }
                #expect(abs(value - (row == column ? 1 : 0)) < 1e-4)
            }
        }
        let shifted = MatrixView<Double>(rows: order, columns: order)
        for index in original.indices {
            shifted[index / order, index % order] = 0.5 * original[index] + (index % (order + 1) == 0 ? 1 : 0)
        }
        let expected = SymmetricEigen.values(of: shifted).reduce(into: 1.0) { $0 *= $1 }
        #expect(abs(exp(logDeterminant) / expected - 1) < 1e-9)
    }

    /// Rounded and scaled by a million, a matrix of rank 1 has negative eigenvalues.
    @Test func whatRoundingMadeNegativeCountsAsZero() {
        let matrix = Matrix(rows: 3, columns: 3, values: [0.1, 0.3, 0.7, 0.3, 0.9, 2.1, 0.7, 2.1, 4.9])
        let logDeterminant = CholeskyFactorization(order: 3, plan: MemoryPlan()).invert(matrix, scale: 1e12)
        #expect(logDeterminant.isFinite && logDeterminant >= 0)
        for row in 0..<3 {
            for column in 0..<3 { #expect(matrix[row, column].isFinite && abs(matrix[row, column]) <= 1) }
        }
    }
}
