import Foundation
import Layers
import Models
import Testing

@Suite("Configurations and presets")
struct ConfigurationTests {
    @Test("the keep count truncates as int(L * (1 - mask_ratio)) does in Python")
    func keepCount() {
        // [(s, s*s*1.0, r, int(s*s*(1-r)))] evaluated by CPython.
        for (side, ratio, kept) in [
            (14, 0.75, 49), (7, 0.75, 12), (10, 0.9, 9), (10, 0.8, 19), (10, 0.7, 30), (5, 0.6, 10),
        ] {
            var c = MaskedAutoencoderConfiguration()
            (c.imageHeight, c.imageWidth, c.patchSize) = (side, side, 1)
            c.maskRatio = ratio
            #expect(c.keptPatches == kept, "\(side)² patches, ratio \(ratio)")
        }
    }

    @Test("every preset is valid", arguments: ModelPreset.names)
    func presets(_ name: String) throws {
        try ModelPreset.configuration(named: name).validate()
    }

    @Test("ViT-B/16 has the published size and work")
    func base() throws {
        let c = try ModelPreset.configuration(named: "mae_vit_base_patch16")
        let trained = MaskedAutoencoder.specifications(c).filter(\.isTrainable).reduce(0) { $0 + $1.count }
        // Patch embedding, class token, 12 blocks, norm; decoder embedding, mask token, 8 blocks, norm, predictor.
        let encoder = 768 * 768 + 768 + 768 + 12 * (12 * 768 * 768 + 13 * 768) + 2 * 768
        let decoder = 768 * 512 + 512 + 512 + 8 * (12 * 512 * 512 + 13 * 512) + 2 * 512 + 512 * 768 + 768
        #expect(trained == encoder + decoder)
        #expect(abs(c.flopsPerImage / 58.7e9 - 1) < 0.003)
    }

    @Test("what cannot be is named")
    func errors() throws {
        func message(_ change: (inout MaskedAutoencoderConfiguration) -> Void) -> String {
            var c = MaskedAutoencoderConfiguration()
            change(&c)
            do {
                try c.validate()
                return "valid"
            } catch { return "\(error)" }
        }
        #expect(message { _ in } == "valid")
        #expect(message { $0.patchSize = 15 }.contains("--patch-size 15"))
        #expect(message { $0.heads = 7 }.contains("7 heads"))
        #expect(message { $0.maskRatio = 0 }.contains("masks none"))
        #expect(message { $0.maskRatio = 1 }.contains("--mask-ratio"))
        #expect(message { $0.maskRatio = .nan }.contains("--mask-ratio"))
        #expect(message { $0.depth = -1 }.contains("--depth"))
        #expect(
            message {
                $0.embedDim = 6; $0.heads = 2
            }.contains("divisible by 4"))
        #expect(throws: ModelError.self) { try ModelPreset.configuration(named: "vit") }
    }

    @Test("an encoder alone has no masks that could be wrong")
    func encoderAlone() throws {
        var c = VisionTransformerConfiguration()
        try c.validate()
        c.heads = 7
        #expect(throws: ModelError.self) { try c.validate() }
    }

    /// As every checkpoint's state.json has it.
    private static let saved = """
        {"channels":2,"clsPosition":false,"decoderDepth":3,"decoderEmbed":false,"decoderEmbedDim":12,"decoderHeads":1,
        "decoderNorm":false,"depth":4,"embedDim":24,"feature":"cls-once","heads":6,"imageHeight":8,"imageWidth":16,
        "maskRatio":0.625,"mlpRatio":2.5,"normEpsilon":0.5,"normPixLoss":false,"patchSize":4,"positions":"learned",
        "qkvBias":false}
        """

    @Test("values of encoder and decoder are saved side by side, none missing and none more")
    func savedForm() throws {
        let c = try JSONDecoder().decode(MaskedAutoencoderConfiguration.self, from: Data(Self.saved.utf8))
        var expected = MaskedAutoencoderConfiguration()
        (expected.channels, expected.imageHeight, expected.imageWidth, expected.patchSize) = (2, 8, 16, 4)
        (expected.embedDim, expected.depth, expected.heads, expected.mlpRatio) = (24, 4, 6, 2.5)
        (expected.positions, expected.feature) = (.learned, .clsOnce)
        (expected.decoderEmbedDim, expected.decoderDepth, expected.decoderHeads) = (12, 3, 1)
        (expected.maskRatio, expected.normPixLoss) = (0.625, false)
        (expected.qkvBias, expected.clsPosition, expected.normEpsilon) = (false, false, 0.5)
        (expected.decoderEmbed, expected.decoderNorm) = (false, false)
        #expect(c == expected)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(c), as: UTF8.self)
        #expect(text == Self.saved.replacing("\n", with: ""))
    }
}
