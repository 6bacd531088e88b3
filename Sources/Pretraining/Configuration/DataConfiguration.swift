/// Where a run's images come from.
package struct DataConfiguration: Codable, Equatable, Sendable {
    /// A directory, or `synthetic`.
    package var dataPath = "synthetic"
    /// Images of the synthetic set.
    package var syntheticImages = 4096

    package init() {}
}
