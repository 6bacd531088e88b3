internal import Runs
internal import Communication
internal import DataParallel
internal import ImageData
internal import Layers
internal import Regularizers
internal import Tensors
internal import Training

/// A regulariser of the features of all ranks, and the messages by which they come together.
///
/// Every member of a team calls `record` for the features of each micro-batch, `send` once all of this rank are there,
/// `evaluate`, and `gradient` for each micro-batch. Messages are under way between `send` and `evaluate`.
package final class GlobalRegularizer: InFlight {
    private let regularizer: any FeatureRegularizer
    private let batch: FeatureBatch
    /// Regularisers of an update, of whose losses the mean is taken: one, or one for each micro-batch.
    private let peers: Int
    private let exchange: FeatureExchange
    private var exchangeStart = ContinuousClock.now
    /// What a follow-up adds up.
    private var sums: [Double] = []
    /// Whether sums over ranks are formed in a fixed tree.
    private let sumsInTree: Bool
    private let communicator: any Communicator

    init(
        _ configuration: RegularizerConfiguration, of batch: FeatureBatch, peers: Int, sumsInTree: Bool,
        communicator: any Communicator, plan: MemoryPlan
    ) {
        self.batch = batch
        self.peers = peers
        self.sumsInTree = sumsInTree
        self.communicator = communicator
        regularizer = configuration.makeRegularizer(of: batch, plan: plan)
        switch regularizer.exchanged {
        case .gather(let own, let all):
            exchange = FeatureExchange(.gather(own: own, all: all, counts: batch.rankCounts), communicator)
        case .sum(let own, let all): exchange = FeatureExchange(.sum(own: own, all: all), communicator)
        }
        if case .sum(let own, _) = regularizer.followUp { sums = [Double](repeating: 0, count: own.count) }
    }

    /// Scratch memory that each thread needs.
    var scratchBytes: Int { batch.scratchBytes }

    func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext) {
        regularizer.record(features, rows: rows, in: context)
    }

    /// Sends what is known of all features of this rank to the others, while something else is computed.
    func send(in context: LayerContext, _ messages: MessagePump) {
        regularizer.summarize(in: context)
        context.member.serially {
            messages.attempt {
                exchangeStart = .now
                try exchange.start()
            }
        }
    }

    package var isBusy: Bool { exchange.isBusy }
    package func progress() throws { try exchange.progress() }
    package func finish() throws { try exchange.finish() }

    /// Waits for the features of all ranks and evaluates the loss; some kinds need a second, short message for it.
    func evaluate(in context: LayerContext, _ messages: MessagePump) {
        context.member.serially {
            messages.attempt { try exchange.finish() }
            messages.clock.timeline?.add(.exchange, from: exchangeStart, to: .now)
        }
        regularizer.evaluate(in: context)
        guard let followUp = regularizer.followUp else { return }
        context.member.serially { messages.attempt { try send(followUp) } }
        regularizer.conclude(in: context)
    }

    private func send(_ message: RegularizerMessage) throws {
        switch message {
        case .sum(let own, let all):
            for index in sums.indices { sums[index] = own[0, index] }
            if sumsInTree { try communicator.treeSum(&sums) } else { try communicator.allReduce(&sums, .sum) }
            for index in sums.indices { all[0, index] = sums[index] }
        case .gather(let own, let all):
            guard communicator.size > 1 else { return }
            try communicator.allGather(own, rowCounts: batch.rankCounts, into: all)
        }
    }

    /// This rank's part of the update's figures: they are the sums over ranks and micro-batches, divided by `divisors`.
    var figures: RegularizerFigures {
        let part = 1 / Double(peers)
        let divisors = peers > 1 ? regularizer.divisors : .ones
        let figures = regularizer.figures
        return RegularizerFigures(
            loss: figures.loss * part / divisors.loss,
            inverseEffectiveRank: figures.inverseEffectiveRank * part / divisors.inverseEffectiveRank)
    }

    var divisors: RegularizerFigures { peers > 1 ? .ones : regularizer.divisors }

    /// `weight` times the gradient of the update's loss with respect to the features `rows`, as
    /// `FeatureRegularizer.gradient`.
    func gradient(rows: Range<Int>, weight: Double, in context: LayerContext) -> Matrix {
        regularizer.gradient(rows: rows, weight: weight * (1 / Double(peers)), in: context)
    }

    /// Keeps what the loss chose among the features in the last evaluation, so that it has no kinks.
    func keepChoices() { regularizer.keepChoices() }
}
