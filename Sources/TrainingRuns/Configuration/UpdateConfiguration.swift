package import DataParallel
package import ImageData
package import ImageSources
package import Optimization
package import Tensors
package import Training

/// How gradients become new weights, whatever they are of.
package struct UpdateConfiguration: Codable, Equatable, Sendable {
    /// What matrix products read; everything else is fp32.
    package var precision = ElementType.float32
    /// Images of one update, over all ranks and micro-batches.
    package var effectiveBatchSize = 256
    /// Micro-batches of a rank.
    package var accumulation = 1
    package var optimizer = AdamW.Configuration()
    /// Largest gradient norm; nil does not clip.
    package var clipGradient: Double?
    package var gradientExchange = GradientSumConfiguration()
    /// What happens to an update whose loss or gradient norm is a spike, and how far above the mean one is.
    package var spikeGuard = SpikeGuard.Action.none
    package var spikeThreshold = 6.0
    /// Updates between comparisons of the ranks' parameters; 0 for none.
    package var replicaCheckEvery = 1000
    package var seed: UInt64 = 0

    package init() {}

    /// How `ranks` share an update's images.
    ///
    /// - Throws: if they cannot have equal parts.
    package func batchPlan(ranks: Int) throws(ImageDataError) -> BatchPlan {
        try BatchPlan(globalBatch: effectiveBatchSize, ranks: ranks, accumulation: accumulation)
    }

    package var rules: StepRules {
        StepRules(clipGradient: clipGradient, spikeAction: spikeGuard, spikeThreshold: spikeThreshold)
    }
}
