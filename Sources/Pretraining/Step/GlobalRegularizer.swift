internal import Runs
internal import Communication
internal import DataParallel
internal import Layers
internal import Models
internal import Tensors
internal import Training

/// A regulariser of class features together with the messages that it needs, so that its loss is that of the images of all
/// ranks.
package final class GlobalRegularizer: InFlight {
    private let local: FeatureRegularizer
    private let exchange: FeatureExchange
    private let rankCounts: [Int]
    private let sumsInTree: Bool
    private let communicator: any Communicator
    private var departure = ContinuousClock.now
    private var pairSum = [0.0]

    /// One for each entry of `spanned`, the images by rank that a regulariser spans; equal entries share theirs.
    ///
    /// - Parameters:
    ///   - microImages: of this rank's largest micro-batch.
    ///   - sumsInTree: whether ranks add up in an order that does not depend on their number.
    static func makeAll(
        _ configuration: RegularizerConfiguration, spanning spanned: [[Int]], microImages: Int, width: Int,
        sumsInTree: Bool, communicator: any Communicator, team: Team, plan: MemoryPlan
    ) -> [GlobalRegularizer] {
        var made: [GlobalRegularizer] = []
        for counts in spanned {
            made.append(
                made.first { $0.rankCounts == counts }
                    ?? GlobalRegularizer(
                        configuration, rankCounts: counts, microImages: microImages, width: width,
                        sumsInTree: sumsInTree, communicator, team, plan))
        }
        return made
    }

    private init(
        _ configuration: RegularizerConfiguration, rankCounts: [Int], microImages: Int, width: Int, sumsInTree: Bool,
        _ communicator: any Communicator, _ team: Team, _ plan: MemoryPlan
    ) {
        let rank = communicator.rank
        self.rankCounts = rankCounts
        self.sumsInTree = sumsInTree
        self.communicator = communicator
        local = FeatureRegularizer(
            configuration, images: rankCounts[rank], globalImages: rankCounts.reduce(0, +), microImages: microImages,
            width: width, firstRow: rankCounts[..<rank].reduce(0, +), ranks: rankCounts.count, threads: team.count,
            plan: plan)
        exchange = FeatureExchange(
            local.exchange == .gather
                ? .gather(own: local.own, all: local.all, counts: rankCounts)
                : .sum(own: local.ownSummary, all: local.summary), communicator)
    }

    package var isBusy: Bool { exchange.isBusy }
    package func progress() throws { try exchange.progress() }
    package func finish() throws { try exchange.finish() }

    /// What ranks add up to learn the loss, to be divided by `divisors` once it is added up.
    var parts: FeatureRegularizer.Figures { local.parts }
    var divisors: FeatureRegularizer.Figures { local.divisors }

    /// Holds what was found nearest, so that the loss has no kinks.
    func keepNeighbors() { local.keepsNeighbors = true }

    /// Takes the features of the micro-batch whose images are `rows` of this rank's.
    func record(_ features: Matrix, rows: Range<Int>, in context: LayerContext) {
        local.record(features, rows: rows, in: context)
    }

    /// Sends what is known of all features of this rank to the others, while something else is computed.
    func send(in context: LayerContext, _ messages: MessagePump) {
        local.summarize(in: context)
        context.member.serially {
            messages.attempt {
                departure = .now
                try exchange.start()
            }
        }
    }

    /// Waits for the features of all ranks and looks at them: sets `parts`, and prepares `gradient`. Some kinds need a second,
    /// short, message.
    func evaluate(in context: LayerContext, _ messages: MessagePump) {
        context.member.serially {
            messages.attempt { try exchange.finish() }
            messages.clock.timeline?.add(.exchange, from: departure, to: .now)
        }
        local.evaluate(in: context)
        switch local.configuration.kind {
        case .uniformity:
            context.member.serially {
                messages.attempt {
                    pairSum[0] = local.pairSum
                    if sumsInTree {
                        try communicator.treeSum(&pairSum)
                    } else {
                        try communicator.allReduce(&pairSum, .sum)
                    }
                    local.pairSum = pairSum[0]
                }
            }
        case .koleo:
            context.member.serially {
                messages.attempt {
                    guard communicator.size > 1 else { return }
                    try communicator.allGather(local.ownNeighbors, rowCounts: rankCounts, into: local.neighbors)
                }
            }
        default: return
        }
        local.finishPairs(in: context)
    }

    /// `weight` times the gradient of the loss with respect to the features that are `rows` of this rank's.
    func gradient(rows: Range<Int>, weight: Double, in context: LayerContext) -> Matrix {
        local.gradient(rows: rows, weight: weight, in: context)
        return local.dFeatures.rows(0..<rows.count)
    }
}
