internal import COpenBLAS
package import Tensors

/// Products in double precision, where that is what counts and not the time: by one thread of BLAS.
extension MatrixView<Double> {
    /// Adds to this [n, n] the products of all pairs of columns of `rows` [k, n]: rowsᵀ·rows.
    package func addGram(of rows: MatrixView<Double>) {
        precondition(self.rows == rows.columns && columns == rows.columns && isContiguous && rows.isContiguous)
        guard rows.rows > 0 else { return }
        OpenBLAS.expect()
        unsafe umae_dsyrk(Int32(columns), Int32(rows.rows), rows.pointer, pointer)
    }

    /// Copies the triangle that BLAS and LAPACK write over the other one.
    package func mirror() {
        for row in 0..<rows { for column in row + 1..<max(columns, row + 1) { self[column, row] = self[row, column] } }
    }

    /// a·b
    package static func product(_ a: Self, _ b: Self) -> Self {
        precondition(a.columns == b.rows && a.isContiguous && b.isContiguous)
        let result = Self(rows: a.rows, columns: b.columns)
        guard result.count > 0 && a.columns > 0 else { return result }
        OpenBLAS.expect()
        // Row after row here is column after column there: (a·b)ᵀ = bᵀ·aᵀ.
        unsafe umae_dgemm(
            Int32(result.columns), Int32(result.rows), Int32(a.columns), b.pointer, a.pointer, result.pointer)
        return result
    }

    package func transposed() -> Self {
        let result = Self(rows: columns, columns: rows)
        for row in 0..<rows { for column in 0..<columns { result[column, row] = self[row, column] } }
        return result
    }
}
