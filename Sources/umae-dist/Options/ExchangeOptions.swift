import ArgumentParser
import DataParallel
import Models
import Regularizers
import Tensors
import Pretraining

/// Flags that say how gradients of all ranks come together.
struct ExchangeOptions: ParsableArguments {
    enum Wire: String, CaseIterable, ExpressibleByArgument {
        case fp32, bf16
    }

    @Option(
        help: """
            allreduce (MPI_Iallreduce), direct (every rank adds up its part of each bucket, in an order that does not \
            depend on MPI), or auto (direct up to \(GradientSumConfiguration.mostDirectRanks) ranks that lie on one \
            host, or one on each).
            """)
    var gradientExchange = GradientSumConfiguration.Algorithm.auto

    @Option(help: "MiB of gradients that leave together, as soon as backward is done with them.")
    var bucketMib = 8.0

    @Option(
        help: """
            What travels: fp32, or bf16, which halves the bytes and rounds each rank's gradient and their sum to 8 bits; \
            sums are fp32.
            """)
    var gradientWire = Wire.fp32

    @Flag(
        inversion: .prefixedNo,
        help: """
            Each rank keeps the optimizer's moments of its share of the weights alone, updates these, and hands them to \
            the others: the same update, less memory.
            """)
    var shardOptimizer = false

    @Flag(
        inversion: .prefixedNo,
        help: """
            The same bits at any number of ranks that divides --deterministic-shards: the batch is divided into that many \
            parts, whose gradients are added in one tree. Sets --accum-iter.
            """)
    var deterministic = false

    @Option(help: "Parts for --deterministic, a power of two; with --batch-size, images of each.")
    var deterministicShards = 8

    func validate() throws {
        try Bounds.check("--bucket-mib", bucketMib, .above(0), most: 1024)
        try Bounds.check("--deterministic-shards", deterministicShards, 1...1 << 20)
        guard deterministicShards.nonzeroBitCount == 1 else {
            throw ValidationError("--deterministic-shards is \(deterministicShards): it must be a power of two")
        }
    }

    func configuration() -> GradientSumConfiguration {
        var sum = GradientSumConfiguration()
        sum.algorithm = gradientExchange
        sum.bucketBytes = max(4096, Int(bucketMib * 1_048_576))
        sum.wire = gradientWire == .fp32 ? .float32 : .bfloat16
        sum.shardsOptimizer = shardOptimizer
        sum.fixedShards = deterministic ? deterministicShards : 0
        return sum
    }

    /// Micro-batches of each rank.
    ///
    /// - Parameter asked: --accum-iter.
    func accumulation(_ asked: Int, ranks: Int) throws -> Int {
        guard deterministic else { return asked }
        guard deterministicShards % ranks == 0 else {
            throw ModelError(
                "--deterministic divides the batch into \(deterministicShards) parts, which \(ranks) ranks cannot share: "
                    + "use a number of ranks that divides it, or another --deterministic-shards")
        }
        guard asked == 1 || asked == deterministicShards / ranks else {
            throw ModelError(
                "--deterministic sets the micro-batches, here to \(deterministicShards / ranks): leave out --accum-iter"
            )
        }
        return deterministicShards / ranks
    }

    /// Features have to be compared in one order too.
    func adjust(_ loss: inout LossConfiguration) {
        if deterministic && loss.regularizer.transport == .auto { loss.regularizer.transport = .gather }
    }
}

extension GradientSumConfiguration.Algorithm: ExpressibleByArgument {}
