package import Communication
package import DataParallel
package import Layers
package import Models
package import Regularizers
package import Tensors
package import Runs

/// Forward and backward over the global batch of one update, of which each rank holds a part and may see it in several
/// micro-batches: the losses and their gradient, summed over ranks and micro-batches.
///
/// Where the regulariser spans several micro-batches, each is first given to `encodeAhead`, which only encodes; the masks
/// must be the same again when it is given to `accumulate`.
package final class GradientPass {
    package let model: MaskedAutoencoder
    package let reducer: GradientReducer
    /// One for each thread.
    package let contexts: [LayerContext]
    package let division: MicroBatches
    /// Whether every micro-batch must go through `encodeAhead` before the first goes through `accumulate`.
    package let encodesAhead: Bool
    /// Whether one regulariser serves all micro-batches.
    private let spans: Bool
    private let team: Team
    private let classifier: OnlineClassifier?
    /// λ alone may change between updates.
    package var loss: LossConfiguration
    private let communicator: any Communicator
    private let clock: PhaseClock
    /// By number of images: micro-batches of one size share theirs.
    private let activationsByCount: [Int: MaskedAutoencoder.Activations]
    /// By micro-batch; one and the same where it serves all.
    private let regularizers: [GlobalRegularizer]

    /// What the threads work on, set before they start; made once, so that starting them allocates nothing.
    private var batch: Batch
    private var encodeAheadJob: (TeamMember) -> Void = { _ in }
    private var encodeJob: (TeamMember) -> Void = { _ in }
    private var gradientJob: (TeamMember) -> Void = { _ in }
    /// Written by the first thread.
    private var shares = LossShares()
    private var failure: (any Error)?
    /// Adds up micro-batches where the order of sums is fixed.
    private let tree: GradientTree?
    private var keepJob: (TeamMember) -> Void = { _ in }
    private var lookAfterMessages: () -> Void = {}
    private var lastLook = ContinuousClock.now
    /// Moments on their way to rank 0, looked after as gradients are.
    package var momentGather: MomentGather?
    /// What the first thread is at.
    private var computing = PhaseClock.Phase.forward

    private struct Batch {
        var images: Matrix
        var labels: IndexMatrix?
        var micro = 0
        var activations: MaskedAutoencoder.Activations
        var regularizer: GlobalRegularizer
        /// The images of this micro-batch among those that the regulariser spans on this rank.
        var rows: Range<Int>
    }

    /// - Parameter options: how the pass uses memory, and what it leaves for being looked at.
    package init(
        _ model: MaskedAutoencoder, loss: LossConfiguration, classes: Int?, division: MicroBatches,
        options: MaskedAutoencoder.Activations.Options = .init(), gradientSum: GradientSumConfiguration = .init(),
        communicator: any Communicator, team: Team, clock: PhaseClock, plan: MemoryPlan
    ) {
        let own = division.counts[communicator.rank]
        let largest = own.reduce(0, max)
        self.model = model
        self.division = division
        self.team = team
        self.loss = loss
        self.communicator = communicator
        self.clock = clock
        encodesAhead = loss.encodesTwice(division.accumulation)
        spans = loss.spansMicroBatches(division.accumulation)
        regularizers = GlobalRegularizer.makeAll(
            loss, width: model.configuration.embedDim, division: division, sumsInTree: gradientSum.fixedShards > 0,
            communicator: communicator, clock: clock, plan: plan)
        contexts = model.makeContexts(
            team: team, images: largest, others: regularizers.reduce(0) { max($0, $1.scratchBytes) }, plan: plan)
        var activations: [Int: MaskedAutoencoder.Activations] = [:]
        for count in Set(own).sorted() {
            activations[count] = MaskedAutoencoder.Activations(model, images: count, options, plan: plan)
        }
        activationsByCount = activations
        classifier = classes.map { OnlineClassifier(model, images: largest, classes: $0, plan: plan) }
        reducer = GradientReducer(communicator, gradientSum, gradients: model.parameters.gradients, plan: plan)
        tree =
            gradientSum.fixedShards == 0
            ? nil : GradientTree(model.parameters.gradients, terms: division.accumulation, plan: plan)
        if let timeline = clock.timeline {
            reducer.onBucket = { timeline.add(.bucket, from: $0, to: $1, bytes: $2) }
        }
        guard let anyActivations = activations[largest], let first = regularizers.first else {
            preconditionFailure("an update has at least one micro-batch")
        }
        batch = Batch(
            images: model.parameters.values, activations: anyActivations, regularizer: first, rows: 0..<0)
        encodeAheadJob = { [unowned self] in encodeAhead(by: $0) }
        encodeJob = { [unowned self] in encode(by: $0) }
        gradientJob = { [unowned self] in decodeAndDifferentiate(by: $0) }
        keepJob = { [unowned self] in tree?.keep(term: batch.micro, by: $0) }
        lookAfterMessages = { [unowned self] in look() }
    }

    /// What the pass writes for a micro-batch; its masking is drawn before the micro-batch is given to the pass.
    package func activations(for micro: Int) -> MaskedAutoencoder.Activations {
        guard let found = activationsByCount[division.counts[communicator.rank][micro]] else {
            preconditionFailure("there are \(division.accumulation) micro-batches")
        }
        return found
    }

    /// Keeps what the regularisers chose among the features, so that losses have no kinks.
    package func keepChoices() { for regularizer in regularizers { regularizer.keepChoices() } }

    /// What sums of the regulariser's shares over ranks and micro-batches are divided by.
    package var divisors: RegularizerFigures { regularizers[0].divisors }

    /// Encodes one micro-batch and keeps its features. Collective.
    package func encodeAhead(_ images: Matrix, micro: Int) throws {
        prepare(images, labels: nil, micro)
        team.run(encodeAheadJob)
        if isLast { try batch.regularizer.startExchange() }
        clock.lap(.forward)
    }

    /// Adds one micro-batch to the gradients. Collective.
    ///
    /// - Parameters:
    ///   - images: [N, C·H·W], this rank's.
    ///   - labels: [N, 1], for the online classifier.
    ///   - micro: its number; weights have changed before the first, and gradients start anew with it; after the last,
    ///     gradients are sent as they are done.
    package func accumulate(_ images: Matrix, labels: IndexMatrix?, micro: Int) throws -> LossShares {
        prepare(images, labels: labels, micro)
        shares = LossShares()
        team.run(encodeJob)
        clock.lap(.forward)
        if !encodesAhead && isSummarized { try batch.regularizer.startExchange() }
        clock.lap(.communication)
        team.meanwhile = communicator.size > 1 ? lookAfterMessages : nil
        team.run(gradientJob)
        team.meanwhile = nil
        clock.lap(.backward)
        if let failure { throw failure }
        if isLast {
            try reducer.finish()
            clock.lap(.communication)
        } else if tree != nil {
            team.run(keepJob)
            clock.lap(.backward)
        }
        return shares
    }

    private var startsGradients: Bool { batch.micro == 0 || tree != nil }
    private var isLast: Bool { batch.micro == division.accumulation - 1 }
    /// Whether all features that the regulariser spans are there once this micro-batch is encoded.
    private var isSummarized: Bool { !spans || isLast }

    private func prepare(_ images: Matrix, labels: IndexMatrix?, _ micro: Int) {
        communicator.noteProgress()
        let rows = division.rows(of: micro, rank: communicator.rank)
        batch = Batch(
            images: images, labels: labels, micro: micro, activations: activations(for: micro),
            regularizer: regularizers[micro], rows: spans ? rows : 0..<rows.count)
    }

    private func packWeights(_ context: LayerContext) {
        model.packWeights(in: context)
        classifier?.packWeights(in: context)
    }

    private func encodeAhead(by member: TeamMember) {
        let context = contexts[member.index]
        let regularizer = batch.regularizer
        if batch.micro == 0 { packWeights(context) }
        model.encode(batch.images, batch.activations, in: context)
        regularizer.record(batch.activations.features, rows: batch.rows, in: context)
        if isLast { regularizer.summarize(in: context) }
    }

    private func encode(by member: TeamMember) {
        let context = contexts[member.index]
        if batch.micro == 0 && !encodesAhead { packWeights(context) }
        if startsGradients { member.serially { model.clearSummedGradients() } }
        model.encode(batch.images, batch.activations, in: context)
        guard !encodesAhead else { return }
        let regularizer = batch.regularizer
        regularizer.record(batch.activations.features, rows: batch.rows, in: context)
        if isSummarized { regularizer.summarize(in: context) }
    }

    private func decodeAndDifferentiate(by member: TeamMember) {
        var context = contexts[member.index]
        context.addsToWeightGradients = !startsGradients
        let a = batch.activations
        let regularizer = batch.regularizer

        if member.isFirst { computing = .forward }
        model.decode(a, in: context)
        let reconstruction = model.reconstructionLoss(batch.images, a, globalImages: division.total, in: context)
        if member.isFirst {
            shares.reconstruction = reconstruction
            clock.lap(.forward)
            computing = .backward
        }
        if encodesAhead ? batch.micro == 0 : isSummarized {
            regularizer.evaluate(in: context, attempt: attempt)
            if member.isFirst {
                let figures = regularizer.figures
                shares.regularizer = figures.loss
                shares.inverseEffectiveRank = figures.inverseEffectiveRank
            }
        }

        if let classifier, let labels = batch.labels {
            let outcome = classifier.train(
                features: a.features, labels: labels, globalImages: division.total, in: context, done: send)
            if member.isFirst {
                shares.crossEntropy = outcome.crossEntropy
                shares.correct = outcome.correct
            }
        }
        var dFeatures: Matrix?
        if loss.weight != 0 {
            let factor = loss.uniformityGradient.factor(worldSize: communicator.size)
            dFeatures = regularizer.gradient(rows: batch.rows, weight: loss.weight * factor, in: context)
        }
        model.backward(a, dFeatures: dFeatures, in: context, done: send)
    }

    /// Adds up over ranks.
    package func sum(_ values: inout [Double]) throws {
        try communicator.sum(&values, inTree: tree != nil)
    }

    /// Hands a finished range of the gradients to the reducer.
    private func send(_ range: Range<Int>) {
        guard isLast && failure == nil else { return }
        tree?.complete(range)
        clock.lap(.backward)
        attempt { try reducer.ready(range) }
        clock.lap(.communication)
    }

    /// Lets messages move, between two operations of the first thread.
    private func look() {
        let regularizer = batch.regularizer
        guard failure == nil && (regularizer.isBusy || reducer.isBusy || momentGather?.isBusy == true) else { return }
        let start = ContinuousClock.now
        guard start - lastLook > Self.lookEvery else { return }
        attempt {
            if regularizer.isBusy { try regularizer.progress() }
            try reducer.progress()
            try momentGather?.progress()
        }
        lastLook = .now
        guard lastLook - start > Self.lookEvery else { return }
        clock.lap(computing, until: start)
        clock.lap(.communication)
    }

    /// A look takes a microsecond or two if nothing has come, and is then no lap of its own.
    private static var lookEvery: Duration { .microseconds(100) }

    /// An error of the first thread waits until all are done.
    private func attempt(_ body: () throws -> Void) {
        guard failure == nil else { return }
        do { try body() } catch { failure = error }
    }
}
