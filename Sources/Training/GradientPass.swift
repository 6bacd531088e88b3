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
    package let context: LayerContext
    private let uniformity: UniformityLoss
    private let classifier: OnlineClassifier?
    private let loss: LossConfiguration
    private let communicator: any Communicator
    private let rowCounts: [Int]
    private let globalImages: Int
    private let accumulation: Int
    private let clock: PhaseClock

    /// - Parameters:
    ///   - rowCounts: images of each rank in one micro-batch.
    ///   - accumulation: micro-batches that one update is made of.
    package init(
        _ model: MaskedAutoencoder, loss: LossConfiguration, classes: Int?, rowCounts: [Int], accumulation: Int = 1,
        communicator: any Communicator, team: Team, clock: PhaseClock, plan: MemoryPlan
    ) {
        let images = rowCounts[communicator.rank]
        self.model = model
        self.loss = loss
        self.communicator = communicator
        self.rowCounts = rowCounts
        globalImages = rowCounts.reduce(0, +)
        self.accumulation = accumulation
        self.clock = clock
        context = model.makeContext(team: team, plan: plan)
        activations = MaskedAutoencoder.Activations(model.configuration, images: images, plan: plan)
        uniformity = UniformityLoss(
            images: images, globalImages: globalImages, width: model.configuration.embedDim, plan: plan)
        classifier = classes.map { OnlineClassifier(model, images: images, classes: $0, plan: plan) }
        reducer = GradientReducer(communicator, gradients: model.parameters.gradients, plan: plan)
    }

    /// Adds one micro-batch to the gradients. `activations.masking` is drawn before. Collective.
    ///
    /// - Parameters:
    ///   - images: [N, C·H·W], this rank's.
    ///   - labels: [N, 1], for the online classifier.
    ///   - isLast: whether this micro-batch completes the update, so that gradients are sent as they are done.
    package func accumulate(_ images: Matrix, labels: IndexMatrix?, isLast: Bool) throws -> LossShares {
        let a = activations
        let updateImages = globalImages * accumulation
        var shares = LossShares()

        model.encode(images, a, in: context)
        uniformity.normalize(a.features)
        clock.lap(.forward)
        try FeatureExchange.gather(uniformity.normalized, rowCounts: rowCounts, into: uniformity.all, communicator)
        clock.lap(.communication)
        shares.uniformity = uniformity.value(in: context) / Double(accumulation)
        model.decode(a, in: context)
        shares.reconstruction = model.reconstructionLoss(images, a, globalImages: updateImages, in: context)
        clock.lap(.forward)

        func send(_ range: Range<Int>) throws {
            guard isLast else { return }
            clock.lap(.backward)
            try reducer.ready(range)
            clock.lap(.communication)
        }
        if let classifier, let labels {
            let outcome = try classifier.train(
                features: a.features, labels: labels, globalImages: updateImages, in: context, done: send)
            shares.crossEntropy = outcome.crossEntropy
            shares.correct = outcome.correct
        }
        var dFeatures: Matrix?
        if loss.regularizer != .none && loss.lamb != 0 {
            let factor = loss.uniformityGradient.factor(worldSize: communicator.size)
            uniformity.gradient(weight: loss.lamb * factor / Double(accumulation), in: context)
            dFeatures = uniformity.dFeatures
        }
        try model.backward(a, dFeatures: dFeatures, in: context, done: send)
        clock.lap(.backward)
        if isLast {
            try reducer.finish()
            clock.lap(.communication)
        }
        return shares
    }
}
