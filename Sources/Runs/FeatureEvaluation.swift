package import Models

/// Looks now and then what the features of a model in training are worth on images that it is not trained on.
package protocol FeatureEvaluation: AnyObject {
    /// Collective; every rank returns the same.
    ///
    /// - Parameter encoder: whose weights are those of this moment. It is not changed.
    func evaluate(_ encoder: VisionTransformer) throws -> HeldOutFigures
}

/// What was found.
package struct HeldOutFigures: Codable, Equatable, Sendable {
    /// Shares of the test images that are classified right: by the nearest training images, and linearly.
    package let neighbors: Double
    package let linear: Double
    /// How many dimensions the features of the test images spread over: the exponential of the entropy of their singular
    /// values.
    package let rankMe: Double

    package init(neighbors: Double, linear: Double, rankMe: Double) {
        self.neighbors = neighbors
        self.linear = linear
        self.rankMe = rankMe
    }
}
