internal import COpenBLAS
package import Tensors

/// Eigenvalues and eigenvectors of symmetric matrices, by LAPACK's divide and conquer (dsyevd).
package enum SymmetricEigen {
    /// Ascending eigenvalues of `matrix` [n, n], which is overwritten.
    package static func values(of matrix: MatrixView<Double>) -> [Double] { solve(matrix, wantsVectors: false) }

    /// Ascending eigenvalues of `matrix` [n, n], whose rows become their eigenvectors, each of length 1.
    package static func decompose(_ matrix: MatrixView<Double>) -> [Double] { solve(matrix, wantsVectors: true) }

    private static func solve(_ matrix: MatrixView<Double>, wantsVectors: Bool) -> [Double] {
        let order = matrix.rows
        precondition(matrix.columns == order && matrix.isContiguous)
        guard order > 0 else { return [] }
        OpenBLAS.expect()
        var values = [Double](repeating: 0, count: order)
        func call(_ work: inout [Double], _ integers: inout [Int32], asks: Bool) -> Int32 {
            unsafe umae_dsyevd(
                wantsVectors ? 1 : 0, Int32(order), matrix.pointer, &values, &work, asks ? -1 : Int32(work.count),
                &integers, asks ? -1 : Int32(integers.count))
        }
        var (work, integers) = ([0.0], [Int32(0)])
        precondition(call(&work, &integers, asks: true) == 0)
        work = [Double](repeating: 0, count: Int(work[0]))
        integers = [Int32](repeating: 0, count: Int(integers[0]))
        precondition(call(&work, &integers, asks: false) == 0, "dsyevd did not converge")
        return values
    }
}
