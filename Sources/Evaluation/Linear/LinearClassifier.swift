internal import Features
package import Tensors

/// Logits = scaled features · Wᵀ + b.
package struct LinearClassifier {
    /// [C, D]
    package let weights: Matrix
    /// [1, C]
    package let bias: Matrix
    let scaling: FeatureScaling

    /// [n, C], of features [n, D].
    package func logits(of rows: Matrix, _ team: Team) -> Matrix {
        let logits = Matrix(rows: rows.rows, columns: weights.rows)
        TeamProducts(team).multiply(scaling.scaled(rows), weights, transposeB: true, bias: bias, into: logits)
        return logits
    }
}
