import Models
import Tensors
import TestSupport
import Testing

/// What a pass leaves out, computes again or packs anew is the same gradient.
@Suite("Options of a pass change its memory, not its gradient")
struct PassOptionsTests {
    @Test(
        "visible patches need not be predicted", arguments: [1, 2, 4], VisionTransformerConfiguration.Positions.allCases
    )
    func predictsAll(decoderDepth: Int, positions: VisionTransformerConfiguration.Positions) throws {
        var model = RandomPass.model
        model.decoderDepth = decoderDepth
        model.positions = positions
        let all = try RandomPass.gradient(model, .float32) { $0.predictsAll = true }
        let masked = try RandomPass.gradient(model, .float32)
        #expect(relativeError(masked.values, all.values) < 1e-6)
        #expect(abs(masked.losses[0] - all.losses[0]) < 1e-6 * all.losses[0])
    }

    @Test("recomputed activations have the same bits", arguments: ElementType.allCases, [1, 2, 3, 4])
    func recompute(element: ElementType, depth: Int) throws {
        var model = RandomPass.model
        (model.depth, model.decoderDepth) = (depth, 5 - depth)
        let kept = try RandomPass.gradient(model, element)
        let recomputed = try RandomPass.gradient(model, element) { $0.kept = .inputs }
        #expect(recomputed.values == kept.values && recomputed.losses == kept.losses)
    }

    @Test("weights that stay packed have the same bits", arguments: ElementType.allCases)
    func packing(element: ElementType) throws {
        let shared = try RandomPass.gradient(RandomPass.model, element)
        let kept = try RandomPass.gradient(RandomPass.model, element, keepsPackedWeights: true)
        #expect(shared.values == kept.values)
    }

    @Test("recomputing needs less memory")
    func memory() {
        var model = RandomPass.model
        (model.depth, model.decoderDepth) = (12, 8)
        func activationBytes(_ kept: PassOptions.Kept) -> Int {
            var options = PassOptions()
            options.kept = kept
            let plan = MemoryPlan()
            let network = MaskedAutoencoder(model, .bfloat16, plan: plan)
            _ = MaskedAutoencoder.Activations(network, images: 8, options, plan: plan)
            return plan.bytes(for: .activations)
        }
        #expect(activationBytes(.inputs) < activationBytes(.activations) * 3 / 5)
        #expect(activationBytes(.nothing) < activationBytes(.inputs) / 2)
    }
}
