package import Communication
package import DataParallel
package import Layers
package import Models
package import Tensors

/// The losses of a run, as the flags give them.
package struct LossConfiguration: Codable, Equatable, Sendable {
    package enum Regularizer: String, Codable, CaseIterable, Sendable {
        case none, spectral
    }

    package var regularizer = Regularizer.spectral
    /// λ: total = reconstruction + λ · uniformity.
    package var lamb = 0.01
    package var uniformityGradient = UniformityGradient.exact

    package init() {}
}

/// Shares of a step's losses: sums over ranks and micro-batches are the losses themselves.
package struct LossShares: Sendable {
    package var reconstruction = 0.0
    package var uniformity = 0.0
    package var crossEntropy = 0.0
    package var correct = 0

    mutating func add(_ other: LossShares) {
        reconstruction += other.reconstruction
        uniformity += other.uniformity
        crossEntropy += other.crossEntropy
        correct += other.correct
    }
}

/// Forward and backward over one global micro-batch, of which each rank holds a part: the losses of the global batch
/// and their gradient, summed over the ranks.
package final class GradientPass {
    package let model: MaskedAutoencoder
    package let activations: MaskedAutoencoder.Activations
    package let reducer: GradientReducer
    /// One for each thread.
    package let contexts: [LayerContext]
    private let team: Team
    private let uniformity: UniformityLoss
    private let classifier: OnlineClassifier?
    private let loss: LossConfiguration
    private let communicator: any Communicator
    private let rowCounts: [Int]
    private let globalImages: Int
    private let accumulation: Int
    private let clock: PhaseClock

    /// What the threads work on, set before they start; made once, so that starting them allocates nothing.
    private var batch: Batch
    private var encodeJob: (TeamMember) -> Void = { _ in }
    private var gradientJob: (TeamMember) -> Void = { _ in }
    /// Written by the first thread.
    private var shares = LossShares()
    private var failure: (any Error)?

    private struct Batch {
        var images: Matrix
        var labels: IndexMatrix?
        var isFirst = true
        var isLast = true
    }

    /// - Parameters:
    ///   - rowCounts: images of each rank in one micro-batch.
    ///   - accumulation: micro-batches that one update is made of.
    ///   - options: how the pass uses memory, and what it leaves for being looked at.
    package init(
        _ model: MaskedAutoencoder, loss: LossConfiguration, classes: Int?, rowCounts: [Int], accumulation: Int = 1,
        options: MaskedAutoencoder.Activations.Options = .init(), communicator: any Communicator, team: Team,
        clock: PhaseClock, plan: MemoryPlan
    ) {
        let images = rowCounts[communicator.rank]
        self.model = model
        self.team = team
        self.loss = loss
        self.communicator = communicator
        self.rowCounts = rowCounts
        globalImages = rowCounts.reduce(0, +)
        self.accumulation = accumulation
        self.clock = clock
        contexts = model.makeContexts(team: team, images: images, globalImages: globalImages, plan: plan)
        activations = MaskedAutoencoder.Activations(model, images: images, options, plan: plan)
        uniformity = UniformityLoss(
            images: images, globalImages: globalImages, width: model.configuration.embedDim, plan: plan)
        classifier = classes.map { OnlineClassifier(model, images: images, classes: $0, plan: plan) }
        reducer = GradientReducer(communicator, gradients: model.parameters.gradients, plan: plan)
        batch = Batch(images: uniformity.normalized)
        encodeJob = { [unowned self] in encode(by: $0) }
        gradientJob = { [unowned self] in decodeAndDifferentiate(by: $0) }
    }

    /// Adds one micro-batch to the gradients. `activations.masking` is drawn before. Collective.
    ///
    /// - Parameters:
    ///   - images: [N, C·H·W], this rank's.
    ///   - labels: [N, 1], for the online classifier.
    ///   - isFirst: whether it is the first of its update: weights have changed, and gradients start anew.
    ///   - isLast: whether it completes the update, so that gradients are sent as they are done.
    package func accumulate(_ images: Matrix, labels: IndexMatrix?, isFirst: Bool, isLast: Bool) throws -> LossShares {
        batch = Batch(images: images, labels: labels, isFirst: isFirst, isLast: isLast)
        shares = LossShares()
        team.run(encodeJob)
        clock.lap(.forward)
        try FeatureExchange.gather(uniformity.normalized, rowCounts: rowCounts, into: uniformity.all, communicator)
        clock.lap(.communication)
        team.run(gradientJob)
        clock.lap(.backward)
        if let failure { throw failure }
        if isLast {
            try reducer.finish()
            clock.lap(.communication)
        }
        return shares
    }

    private func encode(by member: TeamMember) {
        let context = contexts[member.index]
        if batch.isFirst {
            model.packWeights(in: context)
            classifier?.packWeights(in: context)
            member.serially { model.clearSummedGradients() }
        }
        model.encode(batch.images, activations, in: context)
        uniformity.normalize(activations.features, in: context)
    }

    private func decodeAndDifferentiate(by member: TeamMember) {
        var context = contexts[member.index]
        context.addsToWeightGradients = !batch.isFirst
        let a = activations
        let updateImages = globalImages * accumulation

        let uniformityShare = uniformity.value(in: context) / Double(accumulation)
        model.decode(a, in: context)
        let reconstruction = model.reconstructionLoss(
            batch.images, a, globalImages: updateImages, in: context)
        if member.isFirst {
            shares.uniformity = uniformityShare
            shares.reconstruction = reconstruction
            clock.lap(.forward)
        }

        if let classifier, let labels = batch.labels {
            let outcome = classifier.train(
                features: a.features, labels: labels, globalImages: updateImages, in: context, done: send)
            if member.isFirst {
                shares.crossEntropy = outcome.crossEntropy
                shares.correct = outcome.correct
            }
        }
        var dFeatures: Matrix?
        if loss.regularizer != .none && loss.lamb != 0 {
            let factor = loss.uniformityGradient.factor(worldSize: communicator.size)
            uniformity.gradient(weight: loss.lamb * factor / Double(accumulation), in: context)
            dFeatures = uniformity.dFeatures
        }
        model.backward(a, dFeatures: dFeatures, in: context, done: send)
    }

    /// Hands a finished range of the gradients to the reducer; an error waits until the threads are done.
    private func send(_ range: Range<Int>) {
        guard batch.isLast && failure == nil else { return }
        clock.lap(.backward)
        do { try reducer.ready(range) } catch { failure = error }
        clock.lap(.communication)
    }
}
