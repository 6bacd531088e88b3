internal import Foundation

/// Notices an update whose loss or gradient norm is far above those before it, so that it can be left out or the run
/// stopped. Running mean and variance with a memory of some 100 updates; an update that is a spike does not enter them.
package struct SpikeGuard: Codable, Equatable, Sendable {
    package enum Action: String, Codable, CaseIterable, Sendable {
        case none, skip, stop
    }

    /// A running mean and variance.
    private struct Track: Codable, Equatable, Sendable {
        var mean = 0.0
        var variance = 0.0

        /// Standard deviations above the mean.
        func score(_ value: Double) -> Double {
            // A run that hardly varies must not take rounding for a spike.
            let deviation = max(variance.squareRoot(), 1e-3 * abs(mean), 1e-12)
            return (value - mean) / deviation
        }

        mutating func add(_ value: Double, weight: Double) {
            let difference = value - mean
            mean += weight * difference
            variance = (1 - weight) * (variance + weight * difference * difference)
        }
    }

    private var loss = Track()
    private var norm = Track()
    private var count = 0
    /// Spikes one after another.
    package private(set) var consecutive = 0

    /// Updates before anything is called a spike.
    private static var warmUp: Int { 50 }
    private static var memory: Int { 100 }

    package init() {}

    /// Says what is wrong with an update; nil if nothing is, and its figures are then remembered.
    ///
    /// A figure that is not finite is always wrong, also before there is anything to compare it with.
    ///
    /// - Parameter threshold: standard deviations above the running mean that are still usual.
    package mutating func judge(loss lossValue: Double, gradientNorm: Double, threshold: Double) -> String? {
        let figures = [("loss", lossValue, loss), ("gradient norm", gradientNorm, norm)]
        if let odd = figures.first(where: { !$0.1.isFinite }) {
            consecutive += 1
            return "\(odd.0) is \(odd.1)"
        }
        if count >= Self.warmUp {
            let scores = figures.map { (name: $0.0, value: $0.1, score: $0.2.score($0.1)) }
            if let worst = scores.max(by: { $0.score < $1.score }), worst.score > threshold {
                consecutive += 1
                return "\(worst.name) \(worst.value) is \(Self.text(worst.score)) standard deviations above its "
                    + "running mean"
            }
        }
        consecutive = 0
        count += 1
        let weight = 1 / Double(min(count, Self.memory))
        loss.add(lossValue, weight: weight)
        norm.add(gradientNorm, weight: weight)
        return nil
    }

    /// Whole standard deviations; the score of a gradient that nearly overflowed is larger than any Int.
    private static func text(_ score: Double) -> String {
        score < 1e15 ? "\(Int(score))" : String(format: "%.3g", score)
    }
}
