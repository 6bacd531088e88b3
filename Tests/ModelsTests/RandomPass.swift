import Communication
import DataParallel
import ImageData
import Models
import Tensors
import Training
import Pretraining
import Runs

/// One pass over random images, with random weights, in this process.
enum RandomPass {
    static let model: MaskedAutoencoderConfiguration = {
        var c = MaskedAutoencoderConfiguration()
        (c.imageHeight, c.imageWidth, c.patchSize, c.channels) = (24, 16, 4, 3)
        (c.embedDim, c.depth, c.heads) = (32, 4, 4)
        (c.decoderEmbedDim, c.decoderDepth, c.decoderHeads) = (24, 4, 3)
        return c
    }()

    /// The gradient of one micro-batch, and the losses.
    static func gradient(
        _ model: MaskedAutoencoderConfiguration, _ element: ElementType, images: Int = 5,
        keepsPackedWeights: Bool = false, _ change: (inout PassOptions) -> Void = { _ in }
    ) throws -> (values: [Float], losses: [Double]) {
        var options = PassOptions()
        change(&options)
        let plan = MemoryPlan()
        let network = MaskedAutoencoder(model, element, keepsPackedWeights: keepsPackedWeights, plan: plan)
        network.initialize(seed: 3)
        let team = try Team(threads: 2)
        let objective = PretrainObjective(
            network, loss: LossConfiguration(), classes: nil, batch: BatchPlan(images: images), masks: .drawn(seed: 5),
            options: options, communicator: SingleProcess(), team: team, memory: plan)
        let pass = GradientPass(
            objective, accumulation: 1, communicator: SingleProcess(), team: team, clock: PhaseClock(), plan: plan)
        let batch = Matrix(rows: images, columns: model.imageValues)
        var random = SampleRandom(seed: 4, epoch: 0, sample: 0, purpose: .syntheticImage)
        for row in 0..<images {
            for column in 0..<batch.columns { batch[row, column] = random.normal() }
        }
        let samples = MatrixView(rows: images, columns: 1, values: Array(0..<images))
        let shares = try pass.differentiate(Batch(images: batch, samples: samples, micro: 0))
        return (pass.reducer.gradients.array, [shares.reconstruction, shares.regularizer])
    }
}
