internal import CVectorKernels
internal import Layers
internal import Tensors

/// This rank's features beside all others: their products, or the distances between them.
///
/// Distances and gradients are those of the features less their mean: of features that collapse, products differ by less
/// than fp32 tells apart.
struct FeaturePairs: Sendable {
    /// Z [N, D] in rank order.
    let all: Matrix
    /// zᵢ·zⱼ [n, N], of centred features where distances are looked at; then the weights of `weighDifferences`.
    let products: Matrix
    private let centred: CentredFeatures
    /// Of centred features, where distances are looked at: |z|² and mean·z [2, N].
    private let lengths: MatrixView<Double>?
    /// This rank's among all.
    let own: Range<Int>

    init(_ batch: FeatureBatch, features: FeatureRows, hasDistances: Bool, plan: MemoryPlan) {
        all = features.gathered(batch, plan: plan)
        products = plan.matrix(.exchange, "similarities", rows: batch.images, columns: batch.globalImages)
        centred = CentredFeatures(images: batch.globalImages, width: batch.width, plan: plan)
        lengths =
            hasDistances
            ? plan.view(.exchange, "products of centred features", rows: 2, columns: batch.globalImages) : nil
        own = batch.firstRow..<batch.firstRow + batch.images
    }

    /// Forms the products, of features or of centred ones.
    func form(in context: LayerContext) {
        centred.formMean(of: all, in: context)
        centred.centre(all, in: context)
        if let lengths { formLengths(lengths, in: context) }
        let factors = lengths == nil ? all : centred.rows
        MatrixProduct(factors.rows(own), factors, transposeB: true, into: products)
            .run(by: context.member, scratch: context.scratch)
    }

    private func formLengths(_ lengths: MatrixView<Double>, in context: LayerContext) {
        context.forEachChunk(of: all.rows) { range in
            for row in range {
                var (length, projection) = (0.0, 0.0)
                for column in 0..<all.columns {
                    let value = Double(centred.rows[row, column])
                    length += value * value
                    projection += value * centred.mean[0, column]
                }
                lengths[0, row] = length
                lengths[1, row] = projection
            }
        }
    }

    /// Σⱼ (zᵢ·zⱼ)² of this rank's row i.
    func squaredProducts(row: Int) -> Double {
        guard let lengths else {
            return unsafe umae_sum_of_squares(products.rows(row..<row + 1).pointer, products.columns)
        }
        let mean = centred.mean
        var offset = lengths[1, own.lowerBound + row]
        for column in 0..<mean.columns { offset += mean[0, column] * mean[0, column] }
        var total = 0.0
        for column in 0..<products.columns {
            let value = Double(products[row, column]) + lengths[1, column] + offset
            total += value * value
        }
        return total
    }

    /// Calls `body` with every image but this rank's `row` itself, and ‖zᵢ - zⱼ‖².
    func forEachOther(row: Int, _ body: (_ image: Int, _ squaredDistance: Double) -> Void) {
        guard let lengths else { preconditionFailure("these pairs have no distances") }
        let image = own.lowerBound + row
        for other in 0..<products.columns where other != image {
            let sum = lengths[0, image] + lengths[0, other]
            body(other, max(sum - 2 * Double(products[row, other]), 0))
        }
    }

    /// Overwrites `d` with factor·Σⱼ wᵢⱼ·(zⱼ - zᵢ) for this rank's `rows`, w in place of the products.
    func weighDifferences(rows: Range<Int>, _ factor: Float, into d: Matrix, in context: LayerContext) {
        MatrixProduct(products.rows(rows), centred.rows, into: d).run(by: context.member, scratch: context.scratch)
        let z = centred.rows.rows(own)
        context.forEachChunk(of: rows.count) { range in
            for index in range {
                let row = rows.lowerBound + index
                var total = 0.0
                for column in 0..<products.columns { total += Double(products[row, column]) }
                for column in 0..<all.columns {
                    d[index, column] = factor * (d[index, column] - Float(total) * z[row, column])
                }
            }
        }
    }
}
