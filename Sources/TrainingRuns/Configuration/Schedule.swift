package import Optimization

/// How long a run trains, and at which rates.
package struct Schedule: Codable, Equatable, Sendable {
    package var epochs = 1
    package var startEpoch = 0
    package var warmupEpochs = 0.0
    /// Peak rate, scaled.
    package var learningRate = 0.0
    package var minimumLearningRate = 0.0
    package var lrSchedule = LearningRateSchedule.Kind.steps

    package init() {}

    /// - Parameter epoch: epochs done, a fraction within one.
    package func rate(atEpoch epoch: Double) -> Double {
        LearningRateSchedule(
            peak: learningRate, minimum: minimumLearningRate, warmupEpochs: warmupEpochs, epochs: Double(epochs),
            kind: lrSchedule
        ).rate(atEpoch: epoch)
    }
}
