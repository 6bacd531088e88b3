internal import CVectorKernels
package import Tensors

/// The L2 norm over all gradients, and the factor that clips it (torch.nn.utils.clip_grad_norm_).
package struct GradientNorm: Sendable {
    private let gradients: Matrix
    /// Sums of squares of blocks of a fixed size, so that the number of threads does not change the norm.
    private let blocks: MatrixView<Double>

    private static var blockSize: Int { 1 << 16 }

    /// - Parameter gradients: [1, n]
    package init(of gradients: Matrix, plan: MemoryPlan) {
        self.gradients = gradients
        let count = (gradients.count + Self.blockSize - 1) / Self.blockSize
        blocks = plan.view(.workspace, "gradient norm", rows: 1, columns: max(count, 1))
    }

    /// Every member of a team calls it; `value` is valid when it returns.
    package func measure(by member: TeamMember) {
        member.forEachChunk(of: blocks.columns) { range in
            for block in range {
                let start = block * Self.blockSize
                let part = gradients.columns(start..<min(start + Self.blockSize, gradients.count))
                blocks[0, block] = unsafe umae_sum_of_squares(part.pointer, part.count)
            }
        }
    }

    package var value: Double {
        var total = 0.0
        for block in 0..<blocks.columns { total += blocks[0, block] }
        return total.squareRoot()
    }

    package static func clippingScale(norm: Double, maximum: Double?) -> Double {
        guard let maximum else { return 1 }
        return min(1, maximum / (norm + 1e-6))
    }
}
