package import Communication
package import DataParallel
package import Layers
package import Models
package import Tensors
package import Runs

/// Forward and backward over the global batch of one update, of which each rank holds a part and may see it in several
/// micro-batches: the losses and their gradient, summed over ranks and micro-batches.
///
/// Where the regulariser spans several micro-batches, each is first given to `collect`, which only encodes; the masks
/// must be the same again when it is given to `accumulate`.
package final class GradientPass {
    package let model: MaskedAutoencoder
    package let reducer: GradientReducer
    /// One for each thread.
    package let contexts: [LayerContext]
    package let division: MicroBatches
    /// Whether every micro-batch must go through `collect` before the first goes through `accumulate`.
    package let collects: Bool
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
    /// One for the whole update, or one for each micro-batch.
    private let regularizations: [Regularization]

    /// What the threads work on, set before they start; made once, so that starting them allocates nothing.
    private var batch: Batch
    private var collectJob: (TeamMember) -> Void = { _ in }
    private var encodeJob: (TeamMember) -> Void = { _ in }
    private var gradientJob: (TeamMember) -> Void = { _ in }
    /// Written by the first thread.
    private var shares = LossShares()
    private var failure: (any Error)?
    private var pairSum = [0.0]
    /// Adds up micro-batches where the order of sums is fixed.
    private let tree: GradientTree?
    private var keepJob: (TeamMember) -> Void = { _ in }
    private var exchangeStart = ContinuousClock.now
    private var lookAfterMessages: () -> Void = {}
    private var lastLook = ContinuousClock.now
    /// Moments on their way to rank 0, looked after as gradients are.
    package var collection: ShareCollection?
    /// What the first thread is at.
    private var computing = PhaseClock.Phase.forward

    /// A regulariser and the messages it needs.
    private struct Regularization {
        let regularizer: FeatureRegularizer
        let exchange: FeatureExchange
        let rankCounts: [Int]
    }

    private struct Batch {
        var images: Matrix
        var labels: IndexMatrix?
        var micro = 0
        var activations: MaskedAutoencoder.Activations
        var regularization: Regularization
        /// The images of this micro-batch among those that the regulariser spans on this rank.
        var rows: Range<Int>
    }

    /// - Parameter options: how the pass uses memory, and what it leaves for being looked at.
    package init(
        _ model: MaskedAutoencoder, loss: LossConfiguration, classes: Int?, division: MicroBatches,
        options: PassOptions = PassOptions(), exchange: GradientExchange = .init(),
        communicator: any Communicator, team: Team, clock: PhaseClock, plan: MemoryPlan
    ) {
        let rank = communicator.rank
        let own = division.counts[rank]
        let largest = own.reduce(0, max)
        self.model = model
        self.division = division
        self.team = team
        self.loss = loss
        self.communicator = communicator
        self.clock = clock
        collects = loss.encodesTwice(division.accumulation)
        spans = loss.spansMicroBatches(division.accumulation)
        let spanned = spans ? [division.rankTotals] : (0..<division.accumulation).map(division.rankCounts)
        contexts = model.makeContexts(
            team: team, images: largest,
            others: FeatureRegularizer.scratchBytes(
                images: spanned.reduce(0) { max($0, $1[rank]) },
                globalImages: spanned.reduce(0) { max($0, $1.reduce(0, +)) }, width: model.configuration.embedDim),
            plan: plan)
        var activations: [Int: MaskedAutoencoder.Activations] = [:]
        for count in Set(own).sorted() {
            activations[count] = MaskedAutoencoder.Activations(model, images: count, options, plan: plan)
        }
        activationsByCount = activations
        var made: [Regularization] = []
        for counts in spanned {
            if let same = made.first(where: { $0.rankCounts == counts }) {
                made.append(same)
                continue
            }
            let regularizer = FeatureRegularizer(
                loss.regularizer, images: counts[rank], globalImages: counts.reduce(0, +), microImages: largest,
                width: model.configuration.embedDim, firstRow: counts[..<rank].reduce(0, +), ranks: counts.count,
                threads: team.count, plan: plan)
            let content: FeatureExchange.Content =
                regularizer.exchange == .gather
                ? .gather(own: regularizer.own, all: regularizer.all, counts: counts)
                : .sum(own: regularizer.ownSummary, all: regularizer.summary)
            made.append(
                Regularization(
                    regularizer: regularizer, exchange: FeatureExchange(content, communicator), rankCounts: counts))
        }
        regularizations = made
        classifier = classes.map { OnlineClassifier(model.parameters, images: largest, classes: $0, plan: plan) }
        reducer = GradientReducer(communicator, exchange, gradients: model.parameters.gradients, plan: plan)
        tree =
            exchange.fixedShards == 0
            ? nil : GradientTree(model.parameters.gradients, terms: division.accumulation, plan: plan)
        if let timeline = clock.timeline {
            reducer.onBucket = { timeline.add(.bucket, from: $0, to: $1, bytes: $2) }
        }
        guard let anyActivations = activations[largest], let first = made.first else {
            preconditionFailure("an update has at least one micro-batch")
        }
        batch = Batch(
            images: model.parameters.values, activations: anyActivations, regularization: first, rows: 0..<0)
        collectJob = { [unowned self] in collect(by: $0) }
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

    /// Holds what the regularisers found nearest, so that losses have no kinks.
    package func keepNeighbors() { for each in regularizations { each.regularizer.keepsNeighbors = true } }

    /// What sums of the regulariser's shares over ranks and micro-batches are divided by.
    package var divisors: FeatureRegularizer.Figures {
        spans ? regularizations[0].regularizer.divisors : FeatureRegularizer.Figures(loss: 1, spectral: 1)
    }

    /// Encodes one micro-batch and keeps its features. Collective.
    package func collect(_ images: Matrix, micro: Int) throws {
        prepare(images, labels: nil, micro)
        team.run(collectJob)
        if micro == division.accumulation - 1 { try startExchange() }
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
        if !collects && isSummarized { try startExchange() }
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

    private func startExchange() throws {
        exchangeStart = .now
        try batch.regularization.exchange.start()
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
            regularization: regularizations[spans ? 0 : micro], rows: spans ? rows : 0..<rows.count)
    }

    private func packWeights(_ context: LayerContext) {
        model.packWeights(in: context)
        classifier?.packWeights(in: context)
    }

    private func collect(by member: TeamMember) {
        let context = contexts[member.index]
        let regularizer = batch.regularization.regularizer
        if batch.micro == 0 { packWeights(context) }
        model.encode(batch.images, batch.activations, in: context)
        regularizer.record(batch.activations.features, rows: batch.rows, in: context)
        if isLast { regularizer.summarize(in: context) }
    }

    private func encode(by member: TeamMember) {
        let context = contexts[member.index]
        if batch.micro == 0 && !collects { packWeights(context) }
        if startsGradients { member.serially { model.clearSummedGradients() } }
        model.encode(batch.images, batch.activations, in: context)
        guard !collects else { return }
        let regularizer = batch.regularization.regularizer
        regularizer.record(batch.activations.features, rows: batch.rows, in: context)
        if isSummarized { regularizer.summarize(in: context) }
    }

    private func decodeAndDifferentiate(by member: TeamMember) {
        var context = contexts[member.index]
        context.addsToWeightGradients = !startsGradients
        let a = batch.activations
        let regularizer = batch.regularization.regularizer

        if member.isFirst { computing = .forward }
        model.decode(a, in: context)
        let reconstruction = model.reconstructionLoss(batch.images, a, globalImages: division.total, in: context)
        if member.isFirst {
            shares.reconstruction = reconstruction
            clock.lap(.forward)
            computing = .backward
        }
        // One loss of the whole update, or the mean of the micro-batches' losses.
        let part = spans ? 1 : 1 / Double(division.accumulation)
        if collects ? batch.micro == 0 : isSummarized {
            evaluate(regularizer, in: context)
            if member.isFirst {
                let divisors = spans ? FeatureRegularizer.Figures(loss: 1, spectral: 1) : regularizer.divisors
                shares.uniformity = regularizer.parts.loss * part / divisors.loss
                shares.spectral = regularizer.parts.spectral * part / divisors.spectral
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
            regularizer.gradient(rows: batch.rows, weight: loss.weight * factor * part, in: context)
            dFeatures = regularizer.dFeatures.rows(0..<batch.rows.count)
        }
        model.backward(a, dFeatures: dFeatures, in: context, done: send)
    }

    /// Waits for the features of all ranks and looks at them; some kinds need a second, short, message.
    private func evaluate(_ regularizer: FeatureRegularizer, in context: LayerContext) {
        let regularization = batch.regularization
        context.member.serially {
            attempt { try regularization.exchange.finish() }
            clock.lap(.communication)
            clock.timeline?.add(.exchange, from: exchangeStart, to: .now)
        }
        regularizer.evaluate(in: context)
        switch regularizer.configuration.kind {
        case .uniformity:
            context.member.serially {
                attempt {
                    pairSum[0] = regularizer.pairSum
                    try sum(&pairSum)
                    regularizer.pairSum = pairSum[0]
                }
            }
        case .koleo:
            context.member.serially {
                attempt {
                    guard communicator.size > 1 else { return }
                    try communicator.allGather(
                        regularizer.ownNeighbors, rowCounts: regularization.rankCounts, into: regularizer.neighbors)
                }
            }
        default: return
        }
        regularizer.finishPairs(in: context)
    }

    /// Adds up over ranks.
    package func sum(_ values: inout [Double]) throws {
        if tree == nil { try communicator.allReduce(&values, .sum) } else { try communicator.treeSum(&values) }
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
        let exchange = batch.regularization.exchange
        guard failure == nil && (exchange.isBusy || reducer.isBusy || collection?.isBusy == true) else { return }
        let start = ContinuousClock.now
        guard start - lastLook > Self.lookEvery else { return }
        attempt {
            if exchange.isBusy { try exchange.progress() }
            try reducer.progress()
            try collection?.progress()
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
