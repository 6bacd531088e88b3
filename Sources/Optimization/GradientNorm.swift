internal import CVectorKernels
package import Tensors

/// The L2 norm over all gradients, and the factor that clips it (torch.nn.utils.clip_grad_norm_).
package enum GradientNorm {
    /// Summed in blocks of a fixed size, so that the number of threads does not change it.
    package static func norm(of gradients: Matrix) -> Double {
        unsafe umae_sum_of_squares(gradients.pointer, gradients.count).squareRoot()
    }

    package static func clippingScale(norm: Double, maximum: Double?) -> Double {
        guard let maximum else { return 1 }
        return min(1, maximum / (norm + 1e-6))
    }
}
