internal import DataParallel
package import Runs
internal import Tensors

extension MemoryEstimate {
    /// Of a training step on one of `ranks`.
    package init(_ c: StepConfiguration, ranks: Int) {
        self.init(
            c.model, images: c.effectiveBatchSize / ranks / max(c.accumulation, 1) * c.loss.masksPerImage,
            elementBytes: c.precision.byteCount)
    }
}

extension MemoryCheck.Remedies {
    /// What a training run with this configuration does not use yet.
    package init(_ configuration: StepConfiguration, recomputesActivations: Bool, ranks: Int) {
        self = .microBatches
        if !recomputesActivations { insert(.recomputing) }
        if ranks > 1 && !configuration.gradientExchange.shardsOptimizer { insert(.sharding) }
    }
}
