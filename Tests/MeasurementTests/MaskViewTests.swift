import Measurement
import Pretraining
import Regularizers
import TestSupport
import Testing

@Suite("Several masks of each image")
struct MaskViewTests {
    static func loss(_ kind: Regularizer, masks: Int) -> LossConfiguration {
        var loss = DumpFiles.loss(kind)
        loss.masksPerImage = masks
        return loss
    }

    @Test("losses and every gradient are the means of those with each mask alone", arguments: Regularizer.allCases)
    func meanOverMasks(kind: Regularizer) throws {
        let (images, masks) = (5, 3)
        let files = try DumpFiles(images: images, masks: masks)
        let together = try files.dump(Self.loss(kind, masks: masks))
        let alone = try (0..<masks).map {
            try files.dump(DumpFiles.loss(kind), batch: DumpFiles.batch(ofMask: $0))
        }
        #expect(together.keys.sorted() == alone[0].keys.sorted())
        for (name, values) in together {
            let each = alone.map { $0[name] ?? [] }
            var expected: [Float]
            if name.hasPrefix("grad.") || name.hasPrefix("loss") {
                expected = each[0].indices.map { place in each.reduce(0) { $0 + $1[place] } / Float(masks) }
            } else {
                // What is of an image has its views side by side.
                let length = each[0].count / images
                expected = (0..<images).flatMap { image in
                    each.flatMap { Array($0[image * length..<(image + 1) * length]) }
                }
            }
            let error = relativeError(values, expected)
            #expect(error < 1e-5, "\(name): relative error \(error)")
        }
        // Masks are not all the same.
        let name = "grad.blocks.0.attn.qkv.weight"
        #expect(relativeError(try #require(alone[0][name]), try #require(together[name])) > 1e-3)
    }

    @Test(
        "however the batch is divided among ranks and micro-batches",
        arguments: [Regularizer.spectral, .uniformity, .koleo, .tcr], [FeatureTransport.auto, .gram])
    func divided(kind: Regularizer, transport: FeatureTransport) throws {
        guard transport == .auto || kind.transports.contains(transport) else { return }
        let files = try DumpFiles(images: 9, masks: 2)
        var loss = Self.loss(kind, masks: 2)
        loss.regularizer.transport = transport
        let whole = try files.dump(loss)
        for (ranks, micros) in [(1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1)] {
            let parts = try files.dump(loss, ranks: ranks, micros: micros)
            for (name, expected) in whole {
                let error = relativeError(parts[name] ?? [], expected)
                #expect(error < 1e-5, "\(ranks) ranks, \(micros) micro-batches, \(name): relative error \(error)")
            }
        }
    }

    @Test("features compared within micro-batches alone are so behind each mask")
    func micro() throws {
        let files = try DumpFiles(images: 8, masks: 2)
        func figures(_ masks: Int, _ batch: String = "batch") throws -> [String: [Float]] {
            var loss = Self.loss(.spectral, masks: masks)
            loss.negatives = .micro
            return try files.dump(loss, batch: batch, ranks: 2, micros: 2)
        }
        let together = try figures(2)
        let alone = try (0..<2).map { try figures(1, DumpFiles.batch(ofMask: $0)) }
        for name in ["loss_reg", "loss_mae", "grad.cls_token", "grad.blocks.1.mlp.fc1.weight"] {
            let expected = zip(alone[0][name] ?? [], alone[1][name] ?? []).map { ($0 + $1) / 2 }
            #expect(relativeError(together[name] ?? [], expected) < 1e-5, "\(name)")
        }
    }
}
