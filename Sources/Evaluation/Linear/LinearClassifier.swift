package import Tensors

/// Logits = scaled features · Wᵀ + b.
package struct LinearClassifier {
    /// [C, D]
    package let weights: Matrix
    /// [1, C]
    package let bias: Matrix
    let scaling: FeatureScaling
}
