/// Where a run's images come from, and what they are normalised with.
package struct DataConfiguration: Codable, Equatable, Sendable {
    /// A directory, or `synthetic`.
    package var dataPath = "synthetic"
    /// Images of the synthetic set.
    package var syntheticImages = 4096
    /// Mean and standard deviation of the pixels, scaled to 0 ... 1, by channel; nil while they are neither given nor
    /// computed.
    package var mean: [Float]?
    package var standardDeviation: [Float]?

    package init() {}
}
