internal import CVectorKernels
package import Tensors

extension Matrix {
    /// The rows brought to length 1; those of length 0 stay so.
    package func normalizedRows(by team: Team) -> Matrix {
        let result = Matrix(rows: rows, columns: columns)
        let norms = Matrix(rows: 1, columns: max(rows, 1))
        team.run { member in
            member.forEachChunk(of: rows) { range in
                let part = self.rows(range)
                unsafe umae_l2_normalize_forward(
                    part.pointer, part.stride, result.rows(range).pointer, result.stride,
                    norms.columns(range).pointer, range.count, part.columns, 1e-12)
            }
        }
        return result
    }
}
