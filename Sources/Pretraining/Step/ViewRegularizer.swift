internal import Communication
internal import DataParallel
internal import ImageData
internal import Layers
internal import Regularizers
internal import Tensors
internal import Training

/// The regulariser of images that are seen through M masks each. The features behind each mask are a batch of their own, in
/// which any two belong to different images; the loss is the mean over the masks.
///
/// Views of one image are what reconstruction brings together (Zhang, Wang and Wang 2022, section 3: positive pairs), and so
/// are never compared. Rows of a micro-batch of n images are ordered as `RandomMasking` has them.
final class ViewRegularizer {
    /// By mask.
    let masks: [GlobalRegularizer]
    /// Gradients of all views of a micro-batch; nil where there is one mask, whose regulariser has them.
    private let dFeatures: Matrix?
    private let alignment: ViewAlignment?

    private init(masks: [GlobalRegularizer], of batch: FeatureBatch, plan: MemoryPlan) {
        self.masks = masks
        dFeatures =
            masks.count > 1
            ? plan.matrix(
                .exchange, "dFeatures of all views", rows: masks.count * batch.microImages, columns: batch.width) : nil
        alignment = masks.count > 1 ? ViewAlignment(of: batch, views: masks.count, plan: plan) : nil
    }

    /// The regulariser of each micro-batch: one for all where it spans the update; otherwise micro-batches that are
    /// divided alike share theirs.
    static func makeAll(
        _ loss: LossConfiguration, width: Int, batch plan: BatchPlan, sumsInTree: Bool,
        communicator: any Communicator, memory: MemoryPlan
    ) -> [ViewRegularizer] {
        let micros = plan.accumulation
        let spans = loss.spansMicroBatches(micros)
        let rank = communicator.rank
        var made: [[Int]: ViewRegularizer] = [:]
        let all = loss.spannedCounts(plan).map { counts in
            if let same = made[counts] { return same }
            let batch = FeatureBatch(
                rankCounts: counts, rank: rank, microImages: plan.largest(of: rank), width: width)
            let masks = (0..<loss.masksPerImage).map { _ in
                GlobalRegularizer(
                    loss.regularizer, of: batch, peers: spans ? 1 : micros, sumsInTree: sumsInTree,
                    communicator: communicator, plan: memory)
            }
            let new = ViewRegularizer(masks: masks, of: batch, plan: memory)
            made[counts] = new
            return new
        }
        return spans ? [ViewRegularizer](repeating: all[0], count: micros) : all
    }

    /// Scratch memory that each thread needs.
    var scratchBytes: Int { masks[0].scratchBytes }

    /// Takes the features of a micro-batch [M·n, D], whose images are `rows` of this rank's.
    func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext) {
        for (mask, regularizer) in masks.enumerated() {
            regularizer.record(features.rows(Self.views(of: mask, rows)), rows: rows, in: context)
        }
        alignment?.record(features, rows: rows, in: context)
    }

    /// Sends what is known of all features of this rank to the others, while something else is computed.
    func send(in context: LayerContext, _ messages: MessagePump) {
        for regularizer in masks { regularizer.send(in: context, messages) }
    }

    /// Waits for the features of all ranks and evaluates the loss.
    func evaluate(in context: LayerContext, _ messages: MessagePump) {
        for regularizer in masks { regularizer.evaluate(in: context, messages) }
        alignment?.evaluate(in: context)
    }

    /// This rank's part of the update's figures, to be summed and divided as `GlobalRegularizer.figures`.
    var figures: RegularizerFigures {
        var sum = masks[0].figures
        for mask in masks.dropFirst() {
            let figures = mask.figures
            sum.loss += figures.loss
            sum.inverseEffectiveRank += figures.inverseEffectiveRank
        }
        return sum
    }

    var divisors: RegularizerFigures {
        let (each, count) = (masks[0].divisors, Double(masks.count))
        return RegularizerFigures(loss: each.loss * count, inverseEffectiveRank: each.inverseEffectiveRank * count)
    }

    /// The sum over this rank's images of how alike their views are; 0 where each has one view.
    var alignmentSum: Double { alignment?.total ?? 0 }

    /// `weight` times the gradient with respect to the features of a micro-batch [M·n, D], whose images are `rows` of this
    /// rank's; valid until the next call.
    func gradient(rows: Range<Int>, weight: Double, in context: LayerContext) -> Matrix {
        guard let dFeatures else { return masks[0].gradient(rows: rows, weight: weight, in: context) }
        for (mask, regularizer) in masks.enumerated() {
            let own = regularizer.gradient(rows: rows, weight: weight / Double(masks.count), in: context)
            let all = dFeatures.rows(Self.views(of: mask, rows))
            context.forEachChunk(of: own.rows) { all.rows($0).copy(from: own.rows($0)) }
        }
        return dFeatures.rows(0..<masks.count * rows.count)
    }

    /// Keeps what the loss chose among the features in the last evaluation, so that it has no kinks.
    func keepChoices() { for regularizer in masks { regularizer.keepChoices() } }

    private static func views(of mask: Int, _ rows: Range<Int>) -> Range<Int> {
        mask * rows.count..<(mask + 1) * rows.count
    }
}
