package import DataParallel
package import ImageData
package import Models

/// The losses of a run, as the flags give them.
package struct LossConfiguration: Codable, Equatable, Sendable {
    package var regularizer = RegularizerConfiguration()
    /// λ: total = reconstruction + λ · regulariser.
    package var lamb = 0.01
    package var uniformityGradient = UniformityGradient.exact
    package var negatives = Negatives.effective

    package init() {}

    /// λ, or 0 without a regulariser.
    package var weight: Double { regularizer.kind == .none ? 0 : lamb }

    /// Whether one regulariser spans the `accumulation` micro-batches of an update, not each its own.
    package func spansMicroBatches(_ accumulation: Int) -> Bool { accumulation == 1 || negatives == .effective }

    /// Whether every micro-batch of an update is encoded before the first is encoded again and differentiated: where the
    /// gradient of each depends on the features of all.
    package func encodesTwice(_ accumulation: Int) -> Bool {
        accumulation > 1 && negatives == .effective && weight != 0
    }

    /// Throws `ModelError` naming what cannot be for `images` in the batch that the regulariser spans.
    package func validate(images: Int) throws {
        try regularizer.validate()
        guard images >= 2 || [.none, .spectral, .spectralCentred, .tcr].contains(regularizer.kind) else {
            throw ModelError(
                "--reg \(regularizer.kind.rawValue) compares different images, and a batch has \(images): "
                    + "it must have at least 2")
        }
    }
}

extension LossConfiguration {
    /// Images that the regulariser spans, by rank: once for the whole update, or once for each micro-batch.
    package func spannedCounts(_ plan: BatchPlan) -> [[Int]] {
        spansMicroBatches(plan.accumulation) ? [plan.rankTotals] : (0..<plan.accumulation).map(plan.rankCounts)
    }

    /// Images of all ranks that the regulariser spans, at least.
    package func spannedImages(_ plan: BatchPlan) -> Int {
        spannedCounts(plan).map { $0.reduce(0, +) }.min() ?? 0
    }
}

extension PretrainConfiguration {
    /// How `ranks` share an update's images.
    ///
    /// - Throws: if they cannot have equal parts.
    package func batchPlan(ranks: Int) throws(ImageDataError) -> BatchPlan {
        try BatchPlan(globalBatch: effectiveBatchSize, ranks: ranks, accumulation: accumulation)
    }

    /// How often a step sees its micro-batches: twice where the regulariser spans them all.
    package var turnsPerStep: Int { loss.encodesTwice(accumulation) ? 2 : 1 }
}
