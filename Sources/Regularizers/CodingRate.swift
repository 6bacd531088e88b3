internal import LinearAlgebra
internal import Tensors

/// -log det(I + f·G), the total coding rate; f is μ/D.
struct CodingRate: Sendable {
    let factor: Double
    /// C [D, D], G about the mean.
    let centredGram: Matrix
    /// B·C
    let product: Matrix
    private let factorization: CholeskyFactorization

    init(mu: Double, width: Int, plan: MemoryPlan) {
        factor = mu / Double(width)
        centredGram = plan.matrix(.exchange, "Gram matrix about the mean", rows: width, columns: width)
        product = plan.matrix(.exchange, "product of Gram matrices", rows: width, columns: width)
        factorization = CholeskyFactorization(order: width, plan: plan)
    }

    /// Replaces G by B = (I + f·G)⁻¹.
    ///
    /// - Returns: the loss.
    func invert(_ gram: Matrix) -> Double { -factorization.invert(gram, scale: factor) }
}
