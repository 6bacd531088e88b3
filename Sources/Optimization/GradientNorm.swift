internal import CVectorKernels
package import Tensors

/// The L2 norm over all gradients, and the factor that clips it (torch.nn.utils.clip_grad_norm_).
package final class GradientNorm: TeamJob, Sendable {
    private let gradients: Matrix
    /// Sums of squares of blocks of a fixed size, so that the number of threads does not change the norm.
    private let sums: MatrixView<Double>
    private let blocks: [Range<Int>]

    private static var blockSize: Int { 1 << 16 }

    /// - Parameters:
    ///   - gradients: [1, n]
    ///   - owned: the elements that count; nil for all.
    package init(of gradients: Matrix, owned: [Range<Int>]? = nil, plan: MemoryPlan) {
        self.gradients = gradients
        blocks = (owned ?? [0..<gradients.count]).flatMap { range in
            stride(from: range.lowerBound, to: range.upperBound, by: Self.blockSize).map {
                $0..<min($0 + Self.blockSize, range.upperBound)
            }
        }
        sums = plan.view(.workspace, "gradient norm", rows: 1, columns: max(blocks.count, 1))
    }

    /// Measures; `squaredNorm` is valid when all have returned.
    package func work(by member: TeamMember) {
        member.forEachChunk(of: blocks.count) { range in
            for block in range {
                let part = gradients.columns(blocks[block])
                sums[0, block] = unsafe umae_sum_of_squares(part.pointer, part.count)
            }
        }
    }

    package var squaredNorm: Double {
        var total = 0.0
        for block in blocks.indices { total += sums[0, block] }
        return total
    }

    /// The factor by which gradients are multiplied so that their norm is at most `maximum`; 1 where there is none, or an
    /// infinite one.
    package static func clippingScale(norm: Double, maximum: Double?) -> Double {
        guard let maximum, maximum.isFinite else { return 1 }
        return min(1, maximum / (norm + 1e-6))
    }
}
