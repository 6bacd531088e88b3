import Communication
import DataParallel
import Models
import Tensors
import Testing
import Training

/// What a pass leaves out, computes again or packs anew is the same gradient.
@Suite("Options of a pass change its memory, not its gradient")
struct PassOptionsTests {
    static let model: MaskedAutoencoderConfiguration = {
        var c = MaskedAutoencoderConfiguration()
        (c.imageHeight, c.imageWidth, c.patchSize, c.channels) = (24, 16, 4, 3)
        (c.embedDim, c.depth, c.heads) = (32, 4, 4)
        (c.decoderEmbedDim, c.decoderDepth, c.decoderHeads) = (24, 4, 3)
        return c
    }()

    /// The gradient of one micro-batch of random images, and the losses.
    private static func gradient(
        _ model: MaskedAutoencoderConfiguration, _ element: ElementType, images: Int = 5,
        keepsPackedWeights: Bool = false, _ change: (inout MaskedAutoencoder.Activations.Options) -> Void = { _ in }
    ) throws -> (values: [Float], losses: [Double]) {
        var options = MaskedAutoencoder.Activations.Options()
        change(&options)
        let plan = MemoryPlan()
        let network = MaskedAutoencoder(model, element, keepsPackedWeights: keepsPackedWeights, plan: plan)
        network.initialize(seed: 3)
        let pass = GradientPass(
            network, loss: LossConfiguration(), classes: nil, rowCounts: [images], options: options,
            communicator: SingleProcess(), team: Team(threads: 2), clock: PhaseClock(), plan: plan)
        let batch = Matrix(rows: images, columns: model.imageValues)
        var random = SampleRandom(seed: 4, epoch: 0, sample: 0, purpose: .syntheticImage)
        for row in 0..<images {
            for column in 0..<batch.columns { batch[row, column] = random.normal() }
        }
        let samples = MatrixView(rows: images, columns: 1, values: Array(0..<images))
        pass.activations.masking.draw(seed: 5, epoch: 0, samples: samples)
        let shares = try pass.accumulate(batch, labels: nil, isFirst: true, isLast: true)
        return (pass.reducer.gradients.array, [shares.reconstruction, shares.uniformity])
    }

    private static func relativeDifference(_ a: [Float], _ b: [Float]) -> Double {
        let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        return (difference / b.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
    }

    @Test(
        "visible patches need not be predicted", arguments: [1, 2, 4], MaskedAutoencoderConfiguration.Positions.allCases
    )
    func predictsAll(decoderDepth: Int, positions: MaskedAutoencoderConfiguration.Positions) throws {
        var model = Self.model
        model.decoderDepth = decoderDepth
        model.positions = positions
        let all = try Self.gradient(model, .float32) { $0.predictsAll = true }
        let masked = try Self.gradient(model, .float32)
        #expect(Self.relativeDifference(masked.values, all.values) < 1e-6)
        #expect(abs(masked.losses[0] - all.losses[0]) < 1e-6 * all.losses[0])
    }

    @Test("recomputed activations have the same bits", arguments: ElementType.allCases, [1, 2, 3, 4])
    func recompute(element: ElementType, depth: Int) throws {
        var model = Self.model
        (model.depth, model.decoderDepth) = (depth, 5 - depth)
        let kept = try Self.gradient(model, element)
        let recomputed = try Self.gradient(model, element) { $0.recomputes = true }
        #expect(recomputed.values == kept.values && recomputed.losses == kept.losses)
    }

    @Test("weights that stay packed have the same bits", arguments: ElementType.allCases)
    func packing(element: ElementType) throws {
        let shared = try Self.gradient(Self.model, element)
        let kept = try Self.gradient(Self.model, element, keepsPackedWeights: true)
        #expect(shared.values == kept.values)
    }

    @Test("recomputing needs less memory")
    func memory() {
        var model = Self.model
        (model.depth, model.decoderDepth) = (12, 8)
        func activationBytes(_ recomputes: Bool) -> Int {
            var options = MaskedAutoencoder.Activations.Options()
            options.recomputes = recomputes
            let plan = MemoryPlan()
            let network = MaskedAutoencoder(model, .bfloat16, plan: plan)
            _ = MaskedAutoencoder.Activations(network, images: 8, options, plan: plan)
            return plan.bytes(for: .activations)
        }
        #expect(activationBytes(true) < activationBytes(false) * 3 / 5)
    }
}
