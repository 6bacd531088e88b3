package import Runs
internal import Tensors
internal import TrainingRuns

extension MemoryEstimate {
    /// Of a training step on one of `ranks`.
    package init(_ c: StepConfiguration, ranks: Int) {
        self.init(
            c.model, images: c.effectiveBatchSize / ranks / max(c.accumulation, 1) * c.loss.masksPerImage,
            elementBytes: c.precision.byteCount)
    }
}
