/// One value of a configuration in the words of the flag that gives it.
package struct ConfigurationSetting: Equatable, Sendable {
    /// With its dashes; for what has no flag, what it is.
    package let flag: String
    package let value: String
    /// Whether the weights of the run depend on it by more than how sums are rounded.
    package let decidesNumbers: Bool

    package var line: String { "\(flag) \(value)" }
}
