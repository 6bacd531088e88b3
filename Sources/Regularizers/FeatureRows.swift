internal import CVectorKernels
internal import Layers
internal import Tensors

/// The features of this rank's images, normalised if the loss wants that, and the way of their gradient back.
struct FeatureRows: Sendable {
    /// z [n, D]
    let z: Matrix
    /// dL/dz of one micro-batch, for the loss to fill.
    private let dZ: Matrix
    /// The gradient with respect to the features before normalisation, of one micro-batch.
    private let dFeatures: Matrix
    /// Lengths of the features before normalisation [1, n]; nil where features stay as they are.
    private let norms: Matrix?

    /// torch.nn.functional.normalize's.
    private static var epsilon: Float { 1e-12 }

    init(_ batch: FeatureBatch, normalizes: Bool, plan: MemoryPlan) {
        func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
            plan.matrix(.exchange, name, rows: rows, columns: columns)
        }
        z = matrix("features of this rank", batch.images, batch.width)
        dZ = matrix("dNormalised", batch.microImages, batch.width)
        dFeatures = matrix("dFeatures", batch.microImages, batch.width)
        norms = normalizes ? matrix("feature norms", 1, batch.images) : nil
    }

    /// Room for the features of all ranks [N, D]; `z` itself if there is no other rank.
    func gathered(_ batch: FeatureBatch, plan: MemoryPlan) -> Matrix {
        guard batch.ranks > 1 else { return z }
        return plan.matrix(.exchange, "gathered features", rows: batch.globalImages, columns: batch.width)
    }

    /// Takes the features of the micro-batch whose images are `rows` of this rank's.
    func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext) {
        precondition(features.rows == rows.count)
        let z = z.rows(rows)
        let norms = norms?.columns(rows)
        context.forEachChunk(of: features.rows) { range in
            guard let norms else { return z.rows(range).copy(from: features.rows(range)) }
            unsafe umae_l2_normalize_forward(
                features.rows(range).pointer, features.stride, z.rows(range).pointer, z.stride,
                norms.columns(range).pointer, range.count, features.columns, Self.epsilon)
        }
    }

    /// Lets `fill` overwrite dL/dz of the images `rows`; `weight` times the gradient with respect to their features
    /// before normalisation.
    func gradient(
        rows: Range<Int>, weight: Double, in context: LayerContext, _ fill: (_ dZ: Matrix) -> Void
    ) -> Matrix {
        let (dZ, dFeatures) = (dZ.rows(0..<rows.count), dFeatures.rows(0..<rows.count))
        fill(dZ)
        let z = z.rows(rows)
        let norms = norms?.columns(rows)
        context.forEachChunk(of: rows.count) { range in
            let result = dFeatures.rows(range)
            if let norms {
                unsafe umae_l2_normalize_backward(
                    dZ.rows(range).pointer, z.rows(range).pointer, norms.columns(range).pointer, result.pointer,
                    result.rows, result.columns, Self.epsilon)
            } else {
                result.copy(from: dZ.rows(range))
            }
            unsafe umae_scale(result.pointer, Float(weight), result.count)
        }
        return dFeatures
    }
}
