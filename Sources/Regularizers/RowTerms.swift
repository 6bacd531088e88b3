internal import Layers
internal import Tensors

/// What a loss says of each of this rank's images, and its sum: over those of a micro-batch in order, then over the
/// micro-batches in a tree, so that its bits depend neither on threads nor on how many micro-batches a rank has.
struct RowTerms: Sendable {
    /// [1, n]
    private let terms: MatrixView<Double>
    private let images: Int
    private let microImages: Int

    init(_ batch: FeatureBatch, plan: MemoryPlan) {
        terms = plan.view(.exchange, "sums of rows", rows: 1, columns: max(batch.images, 1))
        images = batch.images
        microImages = max(batch.microImages, 1)
    }

    /// The sum of `term` of all rows; every member gets it.
    func sum(in context: LayerContext, _ term: (_ row: Int) -> Double) -> Double {
        context.forEachChunk(of: images) { range in
            for row in range { terms[0, row] = term(row) }
        }
        let total = sum(ofMicroBatches: 0..<(images + microImages - 1) / microImages)
        context.member.wait()
        return total
    }

    private func sum(ofMicroBatches micros: Range<Int>) -> Double {
        guard micros.count > 1 else {
            var total = 0.0
            for row in micros.lowerBound * microImages..<min(micros.upperBound * microImages, images) {
                total += terms[0, row]
            }
            return total
        }
        let middle = micros.lowerBound + (micros.count + 1) / 2
        return sum(ofMicroBatches: micros.lowerBound..<middle) + sum(ofMicroBatches: middle..<micros.upperBound)
    }
}
