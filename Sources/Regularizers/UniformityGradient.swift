/// How the gradient of the regulariser treats the features of other ranks.
package enum UniformityGradient: String, Codable, CaseIterable, Sendable {
    /// The gradient of the global loss: the same update at any rank count.
    case exact
    /// The public U-MAE code's: its gather keeps only the own slot of the gradient and gradients are then averaged,
    /// so the gradient of the regulariser is the exact one divided by the number of ranks.
    case reference

    package func factor(worldSize: Int) -> Double { self == .exact ? 1 : 1 / Double(worldSize) }
}
