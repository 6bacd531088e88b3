internal import Communication
internal import DataParallel
internal import ImageData
internal import Layers
internal import Models
internal import Pretraining
internal import Regularizers
internal import Runs
internal import Tensors
internal import Training

/// A model and random images, on which losses and their gradients can be asked for again and again.
final class RandomDebugBatch {
    private let pass: GradientPass<PretrainObjective>
    private let network: MaskedAutoencoder
    private let communicator: any Communicator
    private let images: Matrix
    /// This rank's images among those of the global batch.
    private let own: Range<Int>
    private let configured: LossConfiguration
    let seed: UInt64

    /// Reconstruction and regulariser, of the global batch.
    struct Losses {
        let reconstruction: Double
        let regularizer: Double
    }

    /// Lays everything out; `prepare` fills it.
    init(_ report: DebugReport, on resources: RankResources) {
        let (communicator, team, memory) = (resources.communicator, resources.team, resources.memory)
        let batch = BatchPlan(dividing: report.images, ranks: communicator.size)
        own = batch.rows(of: communicator.rank)
        // Finite differences need all of fp32.
        network = MaskedAutoencoder(report.model, .float32, plan: memory)
        var options = PassOptions()
        options.predictsAll = true
        options.keptStages = .max
        options.kept = report.recomputesActivations ? .inputs : .activations
        let objective = PretrainObjective(
            network, loss: report.loss, classes: nil, batch: batch, masks: .given, options: options,
            communicator: communicator, team: team, memory: memory)
        pass = GradientPass(
            objective, accumulation: 1, communicator: communicator, team: team, clock: PhaseClock(), plan: memory)
        images = memory.matrix(.batches, "images", rows: own.count, columns: report.model.imageValues)
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
        pass.objective.activations(for: 0).masking.draw(
            seed: seed, epoch: 0, samples: MatrixView(rows: own.count, columns: 1, values: Array(own)))
        _ = try losses(lamb: configured.lamb)
        pass.objective.keepChoices()
    }

    var activations: MaskedAutoencoder.Activations { pass.objective.activations(for: 0) }
    var tensors: [String] { network.parameters.trainable.map(\.name) }

    func range(of tensor: String) -> Range<Int> { network.parameters.range(of: tensor) }

    func shape(of tensor: String) -> [Int] {
        network.parameters.trainable.first { $0.name == tensor }?.shape ?? []
    }

    /// The values of all parameters, one after another.
    var weights: Matrix { network.parameters.values }

    /// One pass with this λ in place of the configured one. Collective.
    func losses(lamb: Double) throws -> Losses {
        pass.objective.loss.lamb = lamb
        let figures = try pass.figures(ofShares: [pass.differentiate(Batch(images: images, micro: 0))])
        return Losses(reconstruction: figures.reconstruction, regularizer: figures.regularizer)
    }

    /// The gradient of reconstruction + λ · regulariser. Collective.
    func gradient(lamb: Double) throws -> [Double] {
        _ = try losses(lamb: lamb)
        return pass.reducer.gradients.array.map(Double.init)
    }

    /// What the gradient of the regulariser was multiplied with.
    var regularizerFactor: Double { configured.uniformityGradient.factor(worldSize: communicator.size) }
}
