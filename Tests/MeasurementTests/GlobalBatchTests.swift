import Communication
import DataParallel
import Layers
import Measurement
import Models
import Optimization
import Pretraining
import Regularizers
import Runs
import Safetensors
import Tensors
import TestSupport
import Testing

/// One loss, one gradient, one update, however the batch is divided and however what ranks tell each other travels.
@Suite("Ranks, micro-batches and exchange change nothing but rounding")
struct GlobalBatchTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let kind: Regularizer
        let transport: FeatureTransport
        var testDescription: String { "\(kind.rawValue) by \(transport.rawValue)" }
    }

    static let cases = Regularizer.allCases.filter { $0 != .none }.flatMap { kind in
        kind.transports.map { Case(kind: kind, transport: $0) }
    }

    /// Ranks and micro-batches; 17 images, so that shares are uneven.
    static let divisions = [(1, 2), (1, 4), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2), (8, 1), (8, 2)]

    @Test("every dumped tensor is that of one rank with the whole batch", arguments: cases)
    func matrix(_ example: Case) throws {
        let files = try DumpFiles(images: 17)
        let loss = DumpFiles.loss(example.kind)
        var divided = loss
        divided.regularizer.transport = example.transport
        let whole = try files.dump(loss)
        for (ranks, micros) in Self.divisions {
            let parts = try files.dump(divided, ranks: ranks, micros: micros)
            #expect(parts.keys.sorted() == whole.keys.sorted())
            for (name, expected) in whole {
                let error = relativeError(parts[name] ?? [], expected)
                #expect(error < 1e-5, "\(ranks) ranks, \(micros) micro-batches, \(name): relative error \(error)")
            }
        }
        // The regulariser is there, and is not another.
        let without = try files.dump(DumpFiles.loss(.none))
        let name = "grad.blocks.0.attn.qkv.weight"
        #expect(relativeError(try #require(whole[name]), try #require(without[name])) > 1e-4)
    }

    @Test("features compared within micro-batches alone give another gradient, which is what `micro` says")
    func micro() throws {
        let files = try DumpFiles(images: 16)
        let loss = DumpFiles.loss(.spectral)
        var apart = loss
        apart.negatives = .micro
        func figure(_ name: String, _ loss: LossConfiguration, ranks: Int, micros: Int) throws -> [Float] {
            try #require(files.dump(loss, ranks: ranks, micros: micros)[name])
        }
        let whole = try figure("loss_reg", loss, ranks: 2, micros: 1)
        #expect(relativeError(try figure("loss_reg", apart, ranks: 2, micros: 4), whole) > 1e-3)
        let reconstruction = try figure("loss_mae", loss, ranks: 2, micros: 1)
        #expect(relativeError(try figure("loss_mae", apart, ranks: 2, micros: 4), reconstruction) < 1e-5)
        // The mean over micro-batches of their losses, however many ranks hold one.
        #expect(relativeError(try figure("loss_reg", apart, ranks: 1, micros: 1), whole) < 1e-5)
    }

    @Test("reference mode divides the uniformity gradient by the number of ranks", arguments: [2, 4])
    func referenceGradient(ranks: Int) throws {
        let files = try DumpFiles(images: 8)
        var loss = DumpFiles.loss(.spectral)
        loss.lamb = 5
        let plain = try files.dump(DumpFiles.loss(.none), ranks: ranks)
        let exact = try files.dump(loss, ranks: ranks)
        loss.uniformityGradient = .reference
        let reference = try files.dump(loss, ranks: ranks)
        for name in ["grad.cls_token", "grad.blocks.0.mlp.fc1.weight", "grad.norm.weight"] {
            let base = try #require(plain[name])
            let full = zip(try #require(exact[name]), base).map { $0 - $1 }
            let part = zip(try #require(reference[name]), base).map { Float(ranks) * ($0 - $1) }
            // A difference of gradients: its rounding is that of the larger terms.
            #expect(relativeError(part, full) < 1e-4, "\(name)")
            #expect(full.contains { abs($0) > 1e-4 })
        }
    }

    @Test("direct sums and sharded updates are those of one rank", arguments: [1, 2, 3, 4, 8])
    func sharded(ranks: Int) throws {
        let files = try DumpFiles(images: 17)
        let loss = DumpFiles.loss(.spectral)
        let whole = try files.dump(loss, rate: 1e-2)
        let variants: [(name: String, micros: Int, change: (inout GradientSumConfiguration) -> Void)] = [
            ("direct", 1, { $0.algorithm = .direct }), ("all-reduce", 1, { $0.algorithm = .allReduce }),
            ("sharded", 1, { $0.shardsOptimizer = true }), ("sharded, micro-batches", 2, { $0.shardsOptimizer = true }),
        ]
        for (name, micros, change) in variants {
            let parts = try files.dump(loss, ranks: ranks, micros: micros, rate: 1e-2) {
                // Small buckets, so that there are several.
                $0.bucketBytes = 10 << 10
                change(&$0)
            }
            #expect(parts.keys.sorted() == whole.keys.sorted())
            for (tensor, expected) in whole {
                let error = relativeError(parts[tensor] ?? [], expected)
                // AdamW's first update is the sign of a gradient, which rounding can turn where it is all but zero: the
                // key biases' are zero but for rounding.
                let tolerance = tensor.hasPrefix("updated.") && tensor.hasSuffix("qkv.bias") ? 1.0 : 1e-4
                let bound = tensor.hasPrefix("updated.") ? tolerance : 1e-5
                #expect(error < bound, "\(ranks) ranks, \(name), \(tensor): relative error \(error)")
            }
        }
        // The update is there.
        let before = try files.dump(loss, rate: 0)
        let name = "updated.decoder_pred.weight"
        #expect(relativeError(try #require(before[name]), try #require(whole[name])) > 1e-3)
    }
}
