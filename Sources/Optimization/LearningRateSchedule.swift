import Foundation

/// Linear warm-up, then half a cosine.
package struct LearningRateSchedule: Codable, Equatable, Sendable {
    /// When the rate changes.
    package enum Kind: String, Codable, CaseIterable, Sendable {
        /// At every step; the cosine begins after the warm-up (facebookresearch/mae `util/lr_sched.py`).
        case steps
        /// At every epoch: the smaller of a warm-up that counts the epoch which begins, and a cosine over all epochs, down to
        /// `minimum` (IcarusWizard/MAE).
        case epochs
    }

    package let kind: Kind
    package let peak: Double
    package let minimum: Double
    package let warmupEpochs: Double
    package let epochs: Double

    package init(peak: Double, minimum: Double, warmupEpochs: Double, epochs: Double, kind: Kind = .steps) {
        self.kind = kind
        self.peak = peak
        self.minimum = minimum
        self.warmupEpochs = warmupEpochs
        self.epochs = epochs
    }

    /// The linear scaling rule: base rate × effective batch / 256 (Goyal et al. 2017).
    package static func scaled(base: Double, effectiveBatch: Int) -> Double { base * Double(effectiveBatch) / 256 }

    /// - Parameter epoch: epochs done, a fraction within one.
    package func rate(atEpoch epoch: Double) -> Double {
        if kind == .epochs {
            let begun = epoch.rounded(.down)
            let warm = warmupEpochs > 0 ? (begun + 1) / warmupEpochs : 1
            return minimum + (peak - minimum) * min(warm, 0.5 * (1 + cos(.pi * begun / epochs)))
        }
        if epoch < warmupEpochs { return peak * epoch / warmupEpochs }
        let progress = (epoch - warmupEpochs) / (epochs - warmupEpochs)
        return minimum + (peak - minimum) * 0.5 * (1 + cos(.pi * progress))
    }
}
