internal import Runs
package import DataParallel
package import ImageData
package import Layers
package import Models
package import Tensors
package import Training

/// How far a classifier's outputs are from what the images of an update are, over the global batch.
package final class ClassificationObjective: Objective {
    package let model: VisionTransformerClassifier
    package let contexts: [LayerContext]
    private let plan: BatchPlan
    private let rank: Int
    private let seed: UInt64
    private let loss: SoftTargetCrossEntropy
    private let mixing: (any BatchMixing)?
    private let labels: MixedLabels
    /// By number of images: micro-batches of one size share theirs.
    private let activationsByCount: [Int: VisionTransformerClassifier.Activations]
    private var turn: Turn

    /// What the threads work on.
    private struct Turn {
        var batch: Batch
        var labels: MixedLabels
        var activations: VisionTransformerClassifier.Activations
    }

    /// - Parameters:
    ///   - smoothing: of the labels, at least 0 and at most 1.
    ///   - seed: of the branches that are dropped.
    ///   - mixing: what happens to the images of a micro-batch before they are seen.
    ///   - options: how the pass uses memory.
    package init(
        _ model: VisionTransformerClassifier, smoothing: Double, batch plan: BatchPlan, rank: Int, seed: UInt64,
        mixing: (any BatchMixing)? = nil, options: PassOptions = .init(), team: Team, memory: MemoryPlan
    ) {
        let largest = plan.largest(of: rank)
        self.model = model
        self.plan = plan
        self.rank = rank
        self.seed = seed
        self.mixing = mixing
        loss = SoftTargetCrossEntropy(smoothing: smoothing, images: largest, plan: memory)
        labels = MixedLabels(images: largest, plan: memory)
        contexts = model.makeContexts(team: team, images: largest, plan: memory)
        var activations: [Int: VisionTransformerClassifier.Activations] = [:]
        for count in Set(plan.counts[rank]).sorted() {
            activations[count] = VisionTransformerClassifier.Activations(
                model, images: count, dropPath: model.configuration.dropPath, options, plan: memory)
        }
        activationsByCount = activations
        guard let any = activations[largest] else { preconditionFailure("an update has at least one micro-batch") }
        // Replaced by the first micro-batch that is taken.
        turn = Turn(batch: Batch(images: any.logits, micro: 0), labels: labels, activations: any)
    }

    package var parameters: ParameterSet { model.parameters }
    package var looksAhead: Bool { false }
    package var messages: [any InFlight] { [] }

    package func take(_ batch: Batch) {
        guard let given = batch.labels else { preconditionFailure("a classifier's images need labels") }
        let count = plan.counts[rank][batch.micro]
        guard let activations = activationsByCount[count] else {
            preconditionFailure("there are \(plan.accumulation) micro-batches")
        }
        let own = labels.rows(0..<count)
        own.take(given)
        turn = Turn(batch: batch, labels: own, activations: activations)
    }

    package func lookAhead(in context: LayerContext, _ messages: MessagePump) {
        preconditionFailure("no loss compares images of different micro-batches")
    }

    package func differentiate(
        in context: LayerContext, _ messages: MessagePump, done: (Range<Int>) -> Void
    ) -> ClassificationFigures {
        let (batch, labels, a) = (turn.batch, turn.labels, turn.activations)
        let isFirst = context.member.isFirst
        mixing?.mix(batch, labels, by: context.member)
        if let dropPath = a.encoder.dropPath {
            context.forEachChunk(of: a.images) {
                dropPath.draw(seed: seed, epoch: batch.epoch, samples: batch.samples, images: $0)
            }
        }
        if isFirst { messages.clock.enter(.forward) }
        if batch.micro == 0 { model.packWeights(in: context) }
        model.forward(batch.images, a, in: context)
        if isFirst { messages.clock.enter(.backward) }
        let outcome = loss.differentiate(a.logits, labels, globalImages: plan.total, in: context)
        model.backward(a, in: context, done: done)
        return ClassificationFigures(outcome)
    }

    package func normalize(_ sums: inout ClassificationFigures) {}

    package func loss(_ figures: ClassificationFigures) -> Double { figures.crossEntropy }
}
