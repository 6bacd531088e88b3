internal import Communication
internal import Optimization
internal import Settings
internal import TrainingRuns

extension OptimisationOptions {
    /// Sets what follows from several flags: the batch and how ranks share it, how they add up gradients, and the rate.
    ///
    /// - Parameter saved: of the checkpoint to go on from. Where `--batch-size` is given for each rank and the number of
    ///   ranks has changed, micro-batches are divided anew so that the effective batch stays.
    package func applyBatch(
        to configuration: inout Defaults.Configuration, _ exchange: ExchangeOptions, ranks: Int,
        resuming saved: Defaults.Configuration?
    ) throws {
        var accumulation = try exchange.accumulation(accumIter, ranks: ranks)
        var effective = try effectiveBatch(ranks: ranks, accumulation: accumulation)
        if let before = saved?.update.effectiveBatchSize, !exchange.deterministic, let batchSize, before != effective {
            effective = before
            accumulation = try Self.microBatches(of: effective, ranks: ranks, imagesAtMost: batchSize)
        }
        configuration.update.gradientExchange = exchange.configuration()
        configuration.update.accumulation = accumulation
        configuration.update.effectiveBatchSize = effective
        configuration.schedule.learningRate =
            lr ?? LearningRateSchedule.scaled(base: blr, effectiveBatch: effective)
    }

    /// Images of one update.
    ///
    /// - Parameter accumulation: micro-batches of each rank, --accum-iter or what replaces it.
    private func effectiveBatch(ranks: Int, accumulation: Int) throws -> Int {
        if let batchSize { return batchSize * accumulation * ranks }
        guard effectiveBatchSize % (ranks * accumulation) == 0 else {
            throw SettingsError(
                "--effective-batch-size \(effectiveBatchSize) is not divisible by \(ranks) ranks × \(accumulation) "
                    + "micro-batches: choose a multiple of \(ranks * accumulation), or give --batch-size per rank")
        }
        return effectiveBatchSize
    }

    /// The fewest micro-batches of equal size, at most `most` images on each rank, that make up `effective` images.
    private static func microBatches(of effective: Int, ranks: Int, imagesAtMost most: Int) throws -> Int {
        guard effective % ranks == 0 else {
            let possible = (1...max(effective, 1)).filter { effective % $0 == 0 }.suffix(64)
            let near = possible.filter { $0 < ranks }.last.map { "\($0)" } ?? "1"
            throw SettingsError(
                "the checkpoint's effective batch of \(effective) images cannot be divided among \(ranks) ranks: "
                    + "use \(near) ranks\(possible.first { $0 > ranks }.map { " or \($0)" } ?? "")")
        }
        let own = effective / ranks
        return (1...own).first { own % $0 == 0 && own / $0 <= most } ?? own
    }
}
