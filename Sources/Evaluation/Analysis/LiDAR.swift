package import Communication
internal import Foundation
internal import LinearAlgebra
package import Tensors

/// LiDAR (Thilak et al. 2023): the rank of what tells images apart from each other beside what tells the views of one image
/// apart. Each image is a class of its own, with q views of it; of Σw^-½·Σb·Σw^-½, where Σb is the covariance between images
/// and Σw that within them plus δ, it is the exponential of the entropy of the eigenvalues.
package enum LiDAR {
    /// δ
    private static var regularization: Double { 1e-4 }

    /// Collective; every rank returns the same.
    ///
    /// - Parameter views: [n, D] of this rank each: features of the same images, each through a mask of its own; two at least.
    package static func value(of views: [Matrix], in world: any Communicator) throws -> Double {
        let (q, width) = (Double(views.count), views[0].columns)
        precondition(views.count >= 2)
        let means = Matrix(rows: views[0].rows, columns: width)
        let deviations = Matrix(rows: means.rows * views.count, columns: width)
        for row in 0..<means.rows {
            for column in 0..<width {
                let mean = views.reduce(0.0) { $0 + Double($1[row, column]) } / q
                means[row, column] = Float(mean)
                for (view, values) in views.enumerated() {
                    deviations[row * views.count + view, column] = Float(Double(values[row, column]) - mean)
                }
            }
        }
        let between = try FeatureMoments(of: means, in: world)
        let within = try FeatureMoments(of: deviations, in: world)
        let images = max(between.count, 1)
        let sigmaB = between.centredGram().scaled(by: 1 / images)
        let sigmaW = within.gram.scaled(by: 1 / (images * q))
        for index in 0..<width { sigmaW[index, index] += regularization }
        // The rows of W are eigenvectors of Σw over the roots of their eigenvalues: W·Σb·Wᵀ has the eigenvalues asked for.
        let values = SymmetricEigen.decompose(sigmaW)
        for row in 0..<width {
            let factor = 1 / max(values[row], regularization / 2).squareRoot()
            for column in 0..<width { sigmaW[row, column] *= factor }
        }
        let whitened = MatrixView<Double>.product(.product(sigmaW, sigmaB), sigmaW.transposed())
        return Spectrum.exponentialOfEntropy(SymmetricEigen.values(of: whitened).map { max($0, 0) })
    }
}

extension MatrixView<Double> {
    fileprivate func scaled(by factor: Double) -> Self {
        let result = Self(rows: rows, columns: columns)
        for row in 0..<rows { for column in 0..<columns { result[row, column] = factor * self[row, column] } }
        return result
    }
}
