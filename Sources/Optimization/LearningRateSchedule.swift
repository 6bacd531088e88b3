import Foundation

/// Linear warm-up, then half a cosine, evaluated at every step (facebookresearch/mae `util/lr_sched.py`).
package struct LearningRateSchedule: Codable, Equatable, Sendable {
    package let peak: Double
    package let minimum: Double
    package let warmupEpochs: Double
    package let epochs: Double

    package init(peak: Double, minimum: Double, warmupEpochs: Double, epochs: Double) {
        self.peak = peak
        self.minimum = minimum
        self.warmupEpochs = warmupEpochs
        self.epochs = epochs
    }

    /// The linear scaling rule: base rate × effective batch / 256 (Goyal et al. 2017).
    package static func scaled(base: Double, effectiveBatch: Int) -> Double { base * Double(effectiveBatch) / 256 }

    /// - Parameter epoch: epochs done, a fraction within one.
    package func rate(atEpoch epoch: Double) -> Double {
        if epoch < warmupEpochs { return peak * epoch / warmupEpochs }
        let progress = (epoch - warmupEpochs) / (epochs - warmupEpochs)
        return minimum + (peak - minimum) * 0.5 * (1 + cos(.pi * progress))
    }
}
