internal import Communication
internal import Tensors

/// Batch normalisation without parameters, as MAE's linear probe puts it before its classifier (torch.nn.BatchNorm1d with
/// affine=False, eps=1e-6, momentum 0.1).
final class BatchNormalization {
    /// [1, D]
    private(set) var runningMean: [Double]
    private(set) var runningVariance: [Double]
    private let statistics: BatchStatistics

    static var epsilon: Double { 1e-6 }
    private static var momentum: Double { 0.1 }

    init(width: Int, _ statistics: BatchStatistics) {
        runningMean = [Double](repeating: 0, count: width)
        runningVariance = [Double](repeating: 1, count: width)
        self.statistics = statistics
    }

    /// Takes running statistics that were kept.
    func restore(mean: [Double], variance: [Double]) {
        precondition(mean.count == runningMean.count && variance.count == runningVariance.count)
        (runningMean, runningVariance) = (mean, variance)
    }

    /// How the rows [n, D] of this rank's part of a batch are brought to mean 0 and variance 1. Collective.
    func scaling(ofBatch rows: Matrix, in world: any Communicator) throws -> FeatureScaling {
        let moments = try FeatureScaling.moments(of: rows, in: statistics == .global ? world : nil)
        // A rank may have no image of a batch.
        if moments.count > 0 {
            let unbiased = moments.count > 1 ? moments.count / (moments.count - 1) : 1
            for index in runningMean.indices {
                Self.average(&runningMean[index], moments.means[index])
                Self.average(&runningVariance[index], unbiased * moments.variances[index])
            }
        }
        return FeatureScaling(means: moments.means, variances: moments.variances, epsilon: Self.epsilon)
    }

    /// In single precision, as files keep them.
    private static func average(_ running: inout Double, _ value: Double) {
        running = Double(Float(running + momentum * (value - running)))
    }

    /// What rows are brought to in evaluation: by the running statistics, with those of rank 0 where ranks have their own, as
    /// DistributedDataParallel hands them out. Collective.
    func evaluationScaling(in world: any Communicator) throws -> FeatureScaling {
        if statistics == .rank && world.size > 1 {
            var values =
                world.rank == 0 ? runningMean + runningVariance : [Double](repeating: 0, count: 2 * runningMean.count)
            try world.allReduce(&values, .sum)
            (runningMean, runningVariance) = (
                Array(values[..<runningMean.count]), Array(values[runningMean.count...])
            )
        }
        return FeatureScaling(means: runningMean, variances: runningVariance, epsilon: Self.epsilon)
    }
}

/// What the statistics of a batch are of.
package enum BatchStatistics: String, CaseIterable, Sendable {
    /// The images of all ranks.
    case global
    /// Those of each rank, by themselves, as in the public code.
    case rank
}
