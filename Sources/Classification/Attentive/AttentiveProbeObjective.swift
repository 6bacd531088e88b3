package import DataParallel
package import ImageData
package import Layers
package import Models
internal import Runs
package import Tensors
package import Training

/// How far an attentive probe's outputs are from what the images of an update are, over the global batch.
package final class AttentiveProbeObjective: Objective {
    private let probe: AttentiveProbe
    private let plan: BatchPlan
    private let loss: SoftTargetCrossEntropy
    private let labels: MixedLabels
    /// By micro-batch: those of one size share theirs.
    private let encoders: [ProbedEncoder]
    private var batch = Batch(images: Matrix(rows: 0, columns: 0), micro: 0)
    package let contexts: [LayerContext]

    /// - Parameters:
    ///   - encoder: whose weights are packed and no longer change.
    ///   - smoothing: of the labels, at least 0 and at most 1.
    package init(
        _ encoder: VisionTransformer, _ probe: AttentiveProbe, smoothing: Double = 0, batch plan: BatchPlan, rank: Int,
        team: Team, memory: MemoryPlan
    ) {
        let largest = plan.largest(of: rank)
        self.probe = probe
        self.plan = plan
        loss = SoftTargetCrossEntropy(smoothing: smoothing, images: largest, plan: memory)
        labels = MixedLabels(images: largest, plan: memory)
        let byCount = Dictionary(
            uniqueKeysWithValues: Set(plan.counts[rank]).sorted().map {
                ($0, ProbedEncoder(encoder, probe, images: $0, team: team, plan: memory))
            })
        encoders = plan.counts[rank].compactMap { byCount[$0] }
        guard let any = byCount[largest] else { preconditionFailure("an update has at least one micro-batch") }
        contexts = any.contexts
    }

    package var parameters: ParameterSet { probe.parameters }
    package var looksAhead: Bool { false }
    package var messages: [any InFlight] { [] }

    package func take(_ batch: Batch) {
        guard let given = batch.labels else { preconditionFailure("a classifier's images need labels") }
        labels.rows(0..<batch.count).take(given)
        self.batch = batch
    }

    package func lookAhead(in context: LayerContext, _ messages: MessagePump) {
        preconditionFailure("no loss compares images of different micro-batches")
    }

    package func differentiate(
        in context: LayerContext, _ messages: MessagePump, done: (Range<Int>) -> Void
    ) -> ClassificationFigures {
        let encoder = encoders[batch.micro]
        if context.member.isFirst { messages.clock.enter(.forward) }
        if batch.micro == 0 { probe.packWeights(in: context) }
        let logits = encoder.logits(of: batch.images, in: context)
        if context.member.isFirst { messages.clock.enter(.backward) }
        let outcome = loss.differentiate(
            logits, labels.rows(0..<batch.count), globalImages: plan.total, in: context)
        encoder.backward(in: context, done: done)
        return ClassificationFigures(outcome)
    }

    package func normalize(_ sums: inout ClassificationFigures) {}

    package func loss(_ figures: ClassificationFigures) -> Double { figures.crossEntropy }
}
