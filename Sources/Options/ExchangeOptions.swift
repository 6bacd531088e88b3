internal import ArgumentParser
internal import Communication
package import DataParallel
package import Pretraining
internal import Regularizers
package import Settings
package import Tensors

/// Flags that say how gradients of all ranks come together.
package struct ExchangeOptions: ParsableArguments {
    @Option(
        help: """
            allreduce (MPI_Iallreduce), direct (every rank adds up its part of each bucket, in an order that does not \
            depend on MPI), or auto (direct up to \(GradientSumConfiguration.mostDirectRanks) ranks that lie on one \
            host, or one on each).
            """)
    package var gradientExchange = GradientSumConfiguration.Algorithm.auto

    @Option(help: "MiB of gradients that leave together, as soon as backward is done with them.")
    package var bucketMib = 8.0

    @Option(
        help: """
            What travels: fp32, or bf16, which halves the bytes and rounds each rank's gradient and their sum to 8 bits; \
            sums are fp32.
            """)
    package var gradientWire = ElementType.float32

    @Flag(
        inversion: .prefixedNo,
        help: """
            Each rank keeps the optimizer's moments of its share of the weights alone, updates these, and hands them to \
            the others: the same update, less memory.
            """)
    package var shardOptimizer = false

    @Flag(
        inversion: .prefixedNo,
        help: """
            The same bits at any number of ranks that divides --deterministic-shards: the batch is divided into that many \
            parts, whose gradients are added in one tree. Sets --accum-iter.
            """)
    package var deterministic = false

    @Option(help: "Parts for --deterministic, a power of two; with --batch-size, images of each.")
    package var deterministicShards = 8

    package init() {}

    package func validate() throws { try checkLimits() }

    package func configuration() -> GradientSumConfiguration {
        var exchange = GradientSumConfiguration()
        apply(to: &exchange)
        return exchange
    }

    /// Micro-batches of each rank.
    ///
    /// - Parameter asked: --accum-iter.
    package func accumulation(_ asked: Int, ranks: Int) throws -> Int {
        guard deterministic else { return asked }
        guard deterministicShards % ranks == 0 else {
            throw SettingsError(
                "--deterministic divides the batch into \(deterministicShards) parts, which \(ranks) ranks cannot share: "
                    + "use a number of ranks that divides it, or another --deterministic-shards")
        }
        guard asked == 1 || asked == deterministicShards / ranks else {
            throw SettingsError(
                "--deterministic sets the micro-batches, here to \(deterministicShards / ranks): leave out --accum-iter"
            )
        }
        return deterministicShards / ranks
    }

    /// Features have to be compared in one order too.
    package func adjust(_ loss: inout LossConfiguration) {
        if deterministic && loss.regularizer.transport == .auto { loss.regularizer.transport = .gather }
    }
}

extension ExchangeOptions: ConfiguringOptions {
    package static var bindings: [FlagBinding<Self, GradientSumConfiguration>] {
        let shards = Limit<Int> { flag, value in
            try Bounds.check(flag, value, 1...1 << 20)
            guard value.nonzeroBitCount == 1 else {
                throw ValidationError("\(flag) is \(value): it must be a power of two")
            }
        }
        return [
            FlagBinding("--gradient-exchange", \.gradientExchange, \.algorithm, decidesNumbers: { _ in false }),
            FlagBinding(
                "--bucket-mib", \.bucketMib, .above(0, most: 1024), decidesNumbers: { _ in false },
                apply: { $1.bucketBytes = max(4096, Int($0.bucketMib * 1_048_576)) },
                text: { "\(Double($0.bucketBytes) / 1_048_576)" }),
            FlagBinding("--gradient-wire", \.gradientWire, \.wire),
            FlagBinding("--shard-optimizer", \.shardOptimizer, \.shardsOptimizer, decidesNumbers: { _ in false }),
            FlagBinding(
                "--deterministic", \.deterministic,
                apply: { $1.fixedShards = $0.deterministic ? $0.deterministicShards : 0 },
                text: { "\($0.fixedShards > 0)" }),
            FlagBinding(
                "--deterministic-shards", \.deterministicShards, shards,
                text: { $0.fixedShards > 0 ? "\($0.fixedShards)" : "none" }),
        ]
    }
}

extension GradientSumConfiguration.Algorithm: ExpressibleByArgument {}
extension ElementType: ExpressibleByArgument {}
