import Safetensors
import Checkpoints
import Models
import Regularizers
import TestSupport
import Testing

/// One loss, one gradient, however the batch is divided and however its features travel.
@Suite("Ranks, micro-batches and exchange change nothing but rounding", .serialized)
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
    static let divisions = [(1, 2), (1, 4), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)]

    @Test("every dumped tensor is that of one process with the whole batch", arguments: cases)
    func matrix(_ example: Case) throws {
        let debug = try DebugFiles(images: 17)
        let flags = [
            "--reg", example.kind.rawValue, "--uniformity-exchange", example.transport.rawValue, "--lamb", "0.5",
        ]
        let whole = try debug.dump(ranks: nil, ["--reg", example.kind.rawValue, "--lamb", "0.5"])
        for (ranks, micros) in Self.divisions {
            let parts = try debug.dump(ranks: ranks, flags + ["--accum_iter", "\(micros)"])
            #expect(parts.names.sorted() == whole.names.sorted())
            for name in whole.names {
                let error = relativeError(try parts.floats(name), try whole.floats(name))
                #expect(error < 1e-5, "\(ranks) ranks, \(micros) micro-batches, \(name): relative error \(error)")
            }
        }
        // The regulariser is there, and is not another.
        let without = try debug.dump(ranks: nil, ["--reg", "none"])
        let name = "grad.blocks.0.attn.qkv.weight"
        #expect(relativeError(try whole.floats(name), try without.floats(name)) > 1e-4)
    }

    @Test("features compared within micro-batches alone give another gradient, which is what `micro` says")
    func micro() throws {
        let debug = try DebugFiles(images: 16)
        let whole = try debug.dump(ranks: 2, ["--lamb", "0.5"])
        let micro = try debug.dump(ranks: 2, ["--lamb", "0.5", "--accum_iter", "4", "--negatives", "micro"])
        #expect(relativeError(try micro.floats("loss_reg"), try whole.floats("loss_reg")) > 1e-3)
        #expect(relativeError(try micro.floats("loss_mae"), try whole.floats("loss_mae")) < 1e-5)
        // The mean over micro-batches of their losses, however many ranks hold one.
        let alone = try debug.dump(ranks: nil, ["--lamb", "0.5", "--accum_iter", "1", "--negatives", "micro"])
        #expect(relativeError(try alone.floats("loss_reg"), try whole.floats("loss_reg")) < 1e-5)
    }
}
