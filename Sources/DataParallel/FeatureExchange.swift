package import Communication
package import Tensors

/// How the gradient of the uniformity loss treats the features of other ranks.
package enum UniformityGradient: String, Codable, CaseIterable, Sendable {
    /// The gradient of the global loss: the same update at any rank count.
    case exact
    /// The public U-MAE code's: its gather keeps only the own slot of the gradient and gradients are then averaged,
    /// so the uniformity gradient is the exact one divided by the number of ranks.
    case reference

    package func factor(worldSize: Int) -> Double { self == .exact ? 1 : 1 / Double(worldSize) }
}

/// Brings the class features of the global batch to every rank.
package enum FeatureExchange {
    /// Stacks every rank's rows [n, D] into `all` [G, D] in rank order. Collective.
    ///
    /// In one process both are the same matrix and nothing happens.
    package static func gather(_ rows: Matrix, rowCounts: [Int], into all: Matrix, _ communicator: any Communicator)
        throws
    {
        guard rows.storage !== all.storage else { return }
        try communicator.allGather(rows, rowCounts: rowCounts, into: all)
    }
}
