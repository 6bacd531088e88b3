internal import CVectorKernels
package import Layers
package import Tensors

/// The uniformity loss of U-MAE: the mean over all pairs of the global batch of (zᵢ·zⱼ)², z the L2-normalised
/// features, a pair of an image with itself included (Zhang, Wang and Wang 2022, eq. 11; public code `loss_func.py`).
///
/// n images on this rank, G in the global batch, D width. Its floor is max(1/G, 1/D).
package struct UniformityLoss: Sendable {
    /// z of this rank [n, D].
    package let normalized: Matrix
    /// z of the global batch [G, D], in rank order; filled by whoever exchanges features.
    package let all: Matrix
    /// Gradient with respect to the features, before normalisation [n, D].
    package let dFeatures: Matrix
    private let norms: Matrix
    /// [n, G]
    private let similarities: Matrix
    private let dNormalized: Matrix

    /// torch.nn.functional.normalize's.
    private static var epsilon: Float { 1e-12 }

    package init(images: Int, globalImages: Int, width: Int, plan: MemoryPlan) {
        func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
            plan.matrix(.exchange, name, rows: rows, columns: columns)
        }
        normalized = matrix("normalised features", images, width)
        all = images == globalImages ? normalized : matrix("gathered features", globalImages, width)
        dFeatures = matrix("dFeatures", images, width)
        norms = matrix("feature norms", 1, images)
        similarities = matrix("similarities", images, globalImages)
        dNormalized = matrix("dNormalised", images, width)
    }

    /// Scratch memory for its products.
    package static func scratchBytes(images: Int, globalImages: Int, width: Int) -> Int {
        max(
            ScratchMemory.bytes(forProduct: .float32, m: images, n: globalImages, k: width, transposeA: false),
            ScratchMemory.bytes(forProduct: .float32, m: images, n: width, k: globalImages, transposeA: false))
    }

    /// Overwrites `normalized`; the exchange into `all` comes next.
    package func normalize(_ features: Matrix, in context: LayerContext) {
        context.forEachChunk(of: features.rows) { range in
            unsafe umae_l2_normalize_forward(
                features.rows(range).pointer, features.stride, normalized.rows(range).pointer, normalized.stride,
                norms.columns(range).pointer, range.count, features.columns, Self.epsilon)
        }
    }

    /// This rank's share of the loss: its rows' squared similarities over G². Shares of all ranks add up to the loss.
    package func value(in context: LayerContext) -> Double {
        MatrixProduct(normalized, all, transposeB: true, into: similarities)
            .run(by: context.member, scratch: context.scratch)
        let pairs = Double(all.rows) * Double(all.rows)
        return unsafe umae_sum_of_squares(similarities.pointer, similarities.count) / pairs
    }

    /// Overwrites `dFeatures` with `weight` times the gradient of the global loss; `value` comes first.
    ///
    /// Every pair stands in the loss twice, once as (i, j) and once as (j, i), so ∂/∂zᵢ = 4/G² Σⱼ (zᵢ·zⱼ)·zⱼ.
    package func gradient(weight: Double, in context: LayerContext) {
        let scale = 4 * weight / (Double(all.rows) * Double(all.rows))
        MatrixProduct(similarities, all, into: dNormalized).run(by: context.member, scratch: context.scratch)
        context.forEachChunk(of: dFeatures.rows) { range in
            let d = dFeatures.rows(range)
            unsafe umae_l2_normalize_backward(
                dNormalized.rows(range).pointer, normalized.rows(range).pointer, norms.columns(range).pointer,
                d.pointer, d.rows, d.columns, Self.epsilon)
            unsafe umae_scale(d.pointer, Float(scale), d.count)
        }
    }
}
