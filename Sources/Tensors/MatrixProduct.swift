internal import COpenBLAS

/// C = A·B, or with either operand transposed; row-major fp32 through OpenBLAS, one slice of C per thread of `team`.
///
/// OpenBLAS itself stays single-threaded (`BLASKernels.useOneThread`), so that ranks and threads never oversubscribe.
///
/// - Parameters:
///   - a: [M, K], or [K, M] if `transposeA`.
///   - b: [K, N], or [N, K] if `transposeB`.
///   - c: [M, N]; overwritten, or added to if `accumulate`.
package func matrixProduct(
    _ a: Matrix, transposeA: Bool = false, _ b: Matrix, transposeB: Bool = false, into c: Matrix,
    accumulate: Bool = false, scale: Float = 1, on team: Team
) {
    let m = c.rows
    let n = c.columns
    let k = transposeA ? a.rows : a.columns
    precondition((transposeA ? a.columns : a.rows) == m && (transposeB ? b.rows : b.columns) == n)
    precondition((transposeB ? b.columns : b.rows) == k)
    // Slices are whole vectors of the micro-kernel; the longer side of C is divided.
    if m >= n {
        team.forEachChunk(of: m, multipleOf: 16) { range in
            let part = transposeA ? a.columns(range) : a.rows(range)
            sgemm(part, transposeA, b, transposeB, c.rows(range), k, accumulate, scale)
        }
    } else {
        team.forEachChunk(of: n, multipleOf: 16) { range in
            let part = transposeB ? b.rows(range) : b.columns(range)
            sgemm(a, transposeA, part, transposeB, c.columns(range), k, accumulate, scale)
        }
    }
}

/// The same product on the calling thread alone: for the small products inside a parallel loop.
package func serialMatrixProduct(
    _ a: Matrix, transposeA: Bool = false, _ b: Matrix, transposeB: Bool = false, into c: Matrix,
    accumulate: Bool = false, scale: Float = 1
) {
    let k = transposeA ? a.rows : a.columns
    precondition((transposeA ? a.columns : a.rows) == c.rows && (transposeB ? b.rows : b.columns) == c.columns)
    precondition((transposeB ? b.columns : b.rows) == k)
    sgemm(a, transposeA, b, transposeB, c, k, accumulate, scale)
}

private func sgemm(
    _ a: Matrix, _ transposeA: Bool, _ b: Matrix, _ transposeB: Bool, _ c: Matrix, _ k: Int, _ accumulate: Bool,
    _ scale: Float
) {
    unsafe cblas_sgemm(
        CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
        blasint(c.rows), blasint(c.columns), blasint(k), scale, a.pointer, blasint(a.stride), b.pointer,
        blasint(b.stride), accumulate ? 1 : 0, c.pointer, blasint(c.stride))
}
