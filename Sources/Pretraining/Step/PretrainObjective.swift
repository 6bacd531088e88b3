internal import Regularizers
internal import Runs
package import Communication
package import DataParallel
package import ImageData
package import Layers
package import Models
package import Tensors
package import Training

/// U-MAE's losses: what the masked patches are reconstructed to, and how far the class features of different images are
/// apart, over the global batch.
package final class PretrainObjective: Objective {
    package let model: MaskedAutoencoder
    package let contexts: [LayerContext]
    /// λ alone may change between updates.
    package var loss: LossConfiguration
    private let plan: BatchPlan
    private let communicator: any Communicator
    private let classifier: OnlineClassifier?
    private let masks: Masks
    /// By number of images: micro-batches of one size share theirs.
    private let activationsByCount: [Int: MaskedAutoencoder.Activations]
    /// One for the whole update, or one for each micro-batch.
    private let regularizers: [ViewRegularizer]
    private var turn: Turn

    /// Where masks come from.
    package enum Masks: Sendable {
        /// Drawn for each image in each epoch.
        case drawn(seed: UInt64)
        /// Already in the activations when a micro-batch is taken.
        case given
    }

    /// What the threads work on.
    private struct Turn {
        var batch: Batch
        var activations: MaskedAutoencoder.Activations
        var regularizer: ViewRegularizer
        /// The images of this micro-batch among those that the regulariser spans on this rank.
        var rows: Range<Int>
    }

    /// - Parameters:
    ///   - options: how the pass uses memory, and what it leaves for being looked at.
    ///   - sumsInTree: whether ranks add up in an order that does not depend on their number.
    package init(
        _ model: MaskedAutoencoder, loss: LossConfiguration, classes: Int?, batch plan: BatchPlan, masks: Masks,
        options: PassOptions = .init(), sumsInTree: Bool = false,
        communicator: any Communicator, team: Team, memory: MemoryPlan
    ) {
        let rank = communicator.rank
        let largest = plan.largest(of: rank)
        let views = loss.masksPerImage
        self.model = model
        self.loss = loss
        self.plan = plan
        self.communicator = communicator
        self.masks = masks
        regularizers = ViewRegularizer.makeAll(
            loss, width: model.configuration.embedDim, batch: plan, sumsInTree: sumsInTree, communicator: communicator,
            memory: memory)
        contexts = model.makeContexts(
            team: team, images: views * largest,
            others: regularizers.reduce(0) { max($0, $1.scratchBytes) }, plan: memory)
        var activations: [Int: MaskedAutoencoder.Activations] = [:]
        for count in Set(plan.counts[rank]).sorted() {
            activations[count] = MaskedAutoencoder.Activations(model, images: views * count, options, plan: memory)
        }
        activationsByCount = activations
        classifier = classes.map {
            OnlineClassifier(model.parameters, images: views * largest, classes: $0, plan: memory)
        }
        guard let anyActivations = activations[largest], let first = regularizers.first else {
            preconditionFailure("an update has at least one micro-batch")
        }
        // Replaced by the first micro-batch that is taken.
        turn = Turn(
            batch: Batch(images: anyActivations.features, micro: 0), activations: anyActivations, regularizer: first,
            rows: 0..<0)
    }

    package var parameters: ParameterSet { model.parameters }
    package var looksAhead: Bool { loss.encodesTwice(plan.accumulation) }
    package var messages: [any InFlight] { regularizers.flatMap(\.masks) }

    /// What is written for a micro-batch; its masks are there, where they are given, before it is taken.
    package func activations(for micro: Int) -> MaskedAutoencoder.Activations {
        guard let found = activationsByCount[plan.counts[communicator.rank][micro]] else {
            preconditionFailure("there are \(plan.accumulation) micro-batches")
        }
        return found
    }

    /// Keeps what the losses chose among the features in the last evaluation, so that they have no kinks.
    package func keepChoices() { for each in regularizers { each.keepChoices() } }

    package func loss(_ figures: PretrainFigures) -> Double {
        figures.reconstruction + loss.weight * figures.regularizer
    }

    package func normalize(_ sums: inout PretrainFigures) {
        let divisors = regularizers[0].divisors
        sums.regularizer /= divisors.loss
        sums.inverseEffectiveRank /= divisors.inverseEffectiveRank
        sums.alignment /= Double(plan.total)
    }

    package func take(_ batch: Batch) {
        let micro = batch.micro
        let rows = plan.rows(of: micro, rank: communicator.rank)
        turn = Turn(
            batch: batch, activations: activations(for: micro), regularizer: regularizers[spans ? 0 : micro],
            rows: spans ? rows : 0..<rows.count)
    }

    // MARK: One thread's part of a micro-batch

    /// Encodes, and keeps the features.
    package func lookAhead(in context: LayerContext, _ messages: MessagePump) {
        encode(packing: turn.batch.micro == 0, in: context, messages)
        exchangeFeatures(in: context, messages)
    }

    package func differentiate(
        in context: LayerContext, _ messages: MessagePump, done: (Range<Int>) -> Void
    ) -> PretrainFigures {
        let (images, a, regularizer) = (turn.batch.images, turn.activations, turn.regularizer)
        let isFirst = context.member.isFirst
        var figures = PretrainFigures()

        encode(packing: turn.batch.micro == 0 && !looksAhead, in: context, messages)
        if !looksAhead { exchangeFeatures(in: context, messages) }
        model.decode(a, in: context)
        figures.reconstruction = model.reconstructionLoss(images, a, globalImages: globalViews, in: context)

        if isFirst { messages.clock.enter(.backward) }
        if looksAhead ? turn.batch.micro == 0 : isSummarized {
            regularizer.evaluate(in: context, messages)
            figures.regularizer = regularizer.figures.loss
            figures.inverseEffectiveRank = regularizer.figures.inverseEffectiveRank
            figures.alignment = regularizer.alignmentSum
        }
        if let classifier, let labels = turn.batch.labels {
            let outcome = classifier.train(
                features: a.features, labels: labels, globalImages: globalViews, in: context, done: done)
            figures.crossEntropy = outcome.crossEntropy
            figures.correct = Double(outcome.correct) / Double(loss.masksPerImage)
        }
        model.backward(a, dFeatures: featureGradient(in: context), in: context, done: done)
        return figures
    }

    /// From pixels to class features.
    ///
    /// - Parameter packing: whether weights have changed since they were packed.
    private func encode(packing: Bool, in context: LayerContext, _ messages: MessagePump) {
        let (batch, a) = (turn.batch, turn.activations)
        if case .drawn(let seed) = masks {
            context.forEachChunk(of: a.images) {
                a.masking.draw(seed: seed, epoch: batch.epoch, samples: batch.samples, images: $0)
            }
        }
        if context.member.isFirst { messages.clock.enter(.forward) }
        if packing { packWeights(in: context) }
        model.encode(batch.images, a, in: context)
    }

    /// Gives the regulariser the features of this micro-batch; once it has all of this rank, they leave for the other ranks.
    private func exchangeFeatures(in context: LayerContext, _ messages: MessagePump) {
        turn.regularizer.record(turn.activations.features, rows: turn.rows, in: context)
        if isSummarized { turn.regularizer.send(in: context, messages) }
    }

    /// λ times the gradient of the regulariser with respect to this micro-batch's features; nil if nothing asks for it.
    private func featureGradient(in context: LayerContext) -> Matrix? {
        guard loss.weight != 0 else { return nil }
        let factor = loss.uniformityGradient.factor(worldSize: communicator.size)
        return turn.regularizer.gradient(rows: turn.rows, weight: loss.weight * factor, in: context)
    }

    /// Of the update, on all ranks.
    private var globalViews: Int { loss.masksPerImage * plan.total }
    /// Whether one regulariser serves all micro-batches.
    private var spans: Bool { loss.spansMicroBatches(plan.accumulation) }
    /// Whether all features that the regulariser spans are there once this micro-batch is encoded.
    private var isSummarized: Bool { !spans || turn.batch.micro == plan.accumulation - 1 }

    private func packWeights(in context: LayerContext) {
        model.packWeights(in: context)
        classifier?.packWeights(in: context)
    }
}
