import Safetensors
import TestSupport
import Testing

/// One loss, one gradient, however the batch is divided and however its features travel: `MeasurementTests` looks at all
/// regularisers and divisions with ranks of one process; here MPI itself brings the messages, of each kind once.
@Suite("Ranks and micro-batches change nothing but rounding where MPI carries the messages", .serialized)
struct GlobalBatchTests {
    @Test("every dumped tensor is that of one process with the whole batch, uneven shares too")
    func kinds() throws {
        // Shares of 17 images are uneven.
        let debug = try DebugFiles(images: 17)
        for flags in [
            ["--uniformity-exchange", "gather"], ["--uniformity-exchange", "gram"], ["--reg", "uniformity"],
            ["--reg", "koleo"],
        ] {
            let whole = try debug.dump(ranks: nil, flags + ["--lamb", "0.5"])
            let parts = try debug.dump(ranks: 4, flags + ["--lamb", "0.5", "--accum_iter", "2"])
            #expect(parts.names.sorted() == whole.names.sorted())
            for name in whole.names {
                let error = relativeError(try parts.floats(name), try whole.floats(name))
                #expect(error < 1e-5, "\(flags), \(name): relative error \(error)")
            }
        }
    }
}
