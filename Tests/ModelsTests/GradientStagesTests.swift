import Communication
import DataParallel
import ImageData
import Layers
import Models
import Tensors
import Training
import Testing
import Pretraining
import Runs

@Suite("Stages of the gradient are those that backward finishes")
struct GradientStagesTests {
    @Test(
        "in this order, with these elements", arguments: [1, 3], VisionTransformerConfiguration.Feature.allCases)
    func order(decoderDepth: Int, feature: VisionTransformerConfiguration.Feature) throws {
        var model = RandomPass.model
        (model.decoderDepth, model.feature, model.positions) = (decoderDepth, feature, .learned)
        let plan = MemoryPlan()
        let network = MaskedAutoencoder(model, .float32, classes: 3, plan: plan)
        network.initialize(seed: 3)
        let team = try Team(threads: 1)
        let objective = PretrainObjective(
            network, loss: LossConfiguration(), classes: nil, batch: BatchPlan(images: 2), masks: .drawn(seed: 5),
            communicator: SingleProcess(), team: team, memory: plan)
        let pass = GradientPass(
            objective, accumulation: 1, communicator: SingleProcess(), team: team, clock: PhaseClock(), plan: plan)
        let batch = Matrix(rows: 2, columns: model.imageValues)
        _ = try pass.differentiate(
            Batch(images: batch, samples: MatrixView(rows: 2, columns: 1, values: [0, 1]), micro: 0))
        var finished: [Range<Int>] = []
        team.run {
            network.backward(objective.activations(for: 0), dFeatures: nil, in: objective.contexts[$0.index]) {
                finished.append($0)
            }
        }
        let stages = network.gradientStages
        // The first is the classifier's, which is no part of backward.
        #expect(stages[0].elements == 3 * (model.embedDim + 1) && stages[0].share == 0)
        #expect(stages.dropFirst().map(\.elements) == finished.map(\.count))
        #expect(zip(finished, finished.dropFirst()).allSatisfy { $0.lowerBound == $1.upperBound })
        #expect(stages.reduce(0) { $0 + $1.elements } == network.parameters.gradients.columns)
        #expect(abs(stages.reduce(0) { $0 + $1.share } - 1) < 1e-12)
    }
}
