internal import Communication
internal import DataParallel
internal import Layers
internal import Models
internal import Tensors
internal import Pretraining
internal import Runs

/// A model and random images, on which losses and their gradients can be asked for again and again.
final class RandomDebugBatch {
    private let pass: GradientPass
    private let network: MaskedAutoencoder
    private let communicator: any Communicator
    private let images: Matrix
    /// Of the global batch, this rank's.
    private let own: Range<Int>
    private let configured: LossConfiguration
    let seed: UInt64

    /// Reconstruction and regulariser, of the global batch.
    struct Losses {
        let reconstruction: Double
        let regularizer: Double
    }

    /// Lays everything out; `prepare` fills it.
    init(_ report: DebugReport, communicator: any Communicator, team: Team, plan: MemoryPlan) {
        let counts = RowShares.counts(of: report.images, ranks: communicator.size)
        own = RowShares.range(of: communicator.rank, in: counts)
        // Finite differences need all of fp32.
        network = MaskedAutoencoder(report.model, .float32, plan: plan)
        var options = PassOptions()
        options.predictsAll = true
        options.keepsStages = true
        options.recomputes = report.recomputesActivations
        pass = GradientPass(
            network, loss: report.loss, classes: nil,
            division: MicroBatches(dividing: report.images, ranks: communicator.size, accumulation: 1),
            options: options, communicator: communicator, team: team, clock: PhaseClock(), plan: plan)
        images = plan.matrix(.batches, "images", rows: own.count, columns: report.model.imageValues)
        self.communicator = communicator
        configured = report.loss
        seed = report.seed
    }

    /// Initialises weights, images and masks. Collective.
    func prepare() throws {
        network.initialize(seed: seed)
        for (row, sample) in own.enumerated() {
            var random = SampleRandom(seed: seed, epoch: 0, sample: sample, purpose: .syntheticImage)
            for column in 0..<images.columns { images[row, column] = random.normal() }
        }
        pass.activations(for: 0).masking.draw(
            seed: seed, epoch: 0, samples: MatrixView(rows: own.count, columns: 1, values: Array(own)))
        _ = try losses(lamb: configured.lamb)
        pass.keepNeighbors()
    }

    var activations: MaskedAutoencoder.Activations { pass.activations(for: 0) }
    var tensors: [String] { network.parameters.trainable.map(\.name) }

    func range(of tensor: String) -> Range<Int> { network.parameters.range(of: tensor) }

    func shape(of tensor: String) -> [Int] {
        network.parameters.trainable.first { $0.name == tensor }?.shape ?? []
    }

    /// Of all parameters, one after another.
    var weights: Matrix { network.parameters.values }

    /// One pass with this λ in place of the configured one. Collective.
    func losses(lamb: Double) throws -> Losses {
        pass.loss.lamb = lamb
        let shares = try pass.accumulate(images, labels: nil, micro: 0)
        var sums = [shares.reconstruction, shares.uniformity]
        try communicator.allReduce(&sums, .sum)
        return Losses(reconstruction: sums[0], regularizer: sums[1] / pass.divisors.loss)
    }

    /// The gradient of reconstruction + λ · regulariser. Collective.
    func gradient(lamb: Double) throws -> [Double] {
        _ = try losses(lamb: lamb)
        return pass.reducer.gradients.array.map(Double.init)
    }

    /// What the gradient of the regulariser was multiplied with.
    var uniformityFactor: Double { configured.uniformityGradient.factor(worldSize: communicator.size) }
}
