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

    /// What is wrong with an update, or nil, with its figures then remembered.
    ///
    /// - Parameter threshold: standard deviations.
    package mutating func judge(loss lossValue: Double, gradientNorm: Double, threshold: Double) -> String? {
        if count >= Self.warmUp {
            let scores = [
                ("loss", lossValue, loss.score(lossValue)), ("gradient norm", gradientNorm, norm.score(gradientNorm)),
            ]
            if let worst = scores.max(by: { $0.2 < $1.2 }), worst.2 > threshold {
                consecutive += 1
                return "\(worst.0) \(worst.1) is \(Int(worst.2)) standard deviations above its running mean"
            }
        }
        consecutive = 0
        count += 1
        let weight = 1 / Double(min(count, Self.memory))
        loss.add(lossValue, weight: weight)
        norm.add(gradientNorm, weight: weight)
        return nil
    }
}
