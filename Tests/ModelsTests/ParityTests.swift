import Runs
import Safetensors
import Checkpoints
import Communication
import Foundation
import Layers
import Measurement
import Models
import Regularizers
import Tensors
import TestSupport
import Testing
import Pretraining

@Suite("Parity with transformers' ViTMAEForPreTraining and a PyTorch uniformity loss (scripts/fixtures/parity.py)")
struct ParityTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let model: MaskedAutoencoderConfiguration
        let loss: LossConfiguration
        var testDescription: String { name }

        init(
            _ name: String, size: (Int, Int), patch: Int, channels: Int, encoder: (Int, Int, Int),
            decoder: (Int, Int, Int), adjust: (inout MaskedAutoencoderConfiguration, inout LossConfiguration) -> Void
        ) {
            var model = MaskedAutoencoderConfiguration()
            var loss = LossConfiguration()
            (model.imageHeight, model.imageWidth) = size
            model.patchSize = patch
            model.channels = channels
            (model.embedDim, model.depth, model.heads) = encoder
            (model.decoderEmbedDim, model.decoderDepth, model.decoderHeads) = decoder
            adjust(&model, &loss)
            self.name = name
            self.model = model
            self.loss = loss
        }
    }

    static let cases = [
        Case(
            "published", size: (16, 16), patch: 4, channels: 3, encoder: (24, 2, 3), decoder: (16, 1, 2),
            adjust: { _, _ in }),
        Case(
            "nonsquare", size: (8, 24), patch: 4, channels: 1, encoder: (24, 1, 2), decoder: (16, 2, 4),
            adjust: { model, loss in
                model.normPixLoss = false
                model.maskRatio = 0.6
                model.feature = .clsOnce
                loss.lamb = 0.5
            }),
        Case(
            "learned", size: (12, 12), patch: 3, channels: 2, encoder: (16, 1, 4), decoder: (12, 1, 3),
            adjust: { model, loss in
                model.positions = .learned
                model.feature = .pooled
                model.mlpRatio = 2.5
                model.maskRatio = 0.55
                loss.lamb = 0.3
            }),
        Case(
            "plain", size: (16, 8), patch: 4, channels: 3, encoder: (16, 2, 2), decoder: (12, 2, 2),
            adjust: { _, loss in loss.regularizer.kind = .none }),
        Case(
            "bare", size: (8, 8), patch: 2, channels: 3, encoder: (12, 2, 3), decoder: (12, 2, 3),
            adjust: { model, loss in
                model.normPixLoss = false
                model.positions = .learned
                model.feature = .clsOnce
                (model.qkvBias, model.clsPosition, model.normEpsilon) = (false, false, 1e-5)
                (model.decoderEmbed, model.decoderNorm) = (false, false)
                loss.lamb = 0.2
            }),
    ]

    /// fp32 against a double-precision reference rounded to fp32.
    static let tolerance = 2e-5

    @Test("losses, outputs and every gradient", arguments: cases, [1, 2])
    func everything(_ example: Case, threads: Int) throws {
        let directory = try TemporaryDirectory()
        let out = directory.file("dump.safetensors")
        var step = StepConfiguration()
        (step.model, step.loss) = (example.model, example.loss)
        _ = try DebugDump(
            step, weightsPath: try Self.fixture("\(example.name).weights"),
            batchPath: try Self.fixture("\(example.name).batch"), dumpPath: out
        ).run(on: RankResources(SingleProcess(), try Team(threads: threads)))
        let dump = try SafetensorsFile(path: out)
        let expected = try SafetensorsFile(path: try Self.fixture("\(example.name).expected"))
        #expect(dump.names.sorted() == expected.names.sorted())
        for name in expected.names {
            #expect(dump[name]?.shape == expected[name]?.shape, "\(name)")
            let error = relativeError(try dump.floats(name), try expected.floats(name))
            #expect(error <= Self.tolerance, "\(name): \(error)")
        }
        #expect(try dump.floats("mask") == expected.floats("mask"))
    }

    @Test("fixed positions are those of transformers")
    func positions() throws {
        var configuration = Self.cases[0].model
        configuration.heads = 3
        let model = MaskedAutoencoder(configuration, .float32, plan: MemoryPlan())
        model.computePositions()
        let expected = try SafetensorsFile(path: try Self.fixture("positions"))
        for name in ["pos_embed", "decoder_pos_embed"] {
            let own = model.parameters[name].value.array
            for (a, b) in zip(own, try expected.floats(name)) { #expect(abs(a - b) < 1e-6) }
        }
    }

    static func fixture(_ name: String) throws -> String {
        try #require(Bundle.module.path(forResource: name, ofType: "safetensors", inDirectory: "Fixtures"), "\(name)")
    }
}
