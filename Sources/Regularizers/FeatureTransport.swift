/// How the features of all ranks come together.
package enum FeatureTransport: String, Codable, CaseIterable, Sendable {
    /// Every rank receives all features, N × D.
    case gather
    /// Ranks add up their Gram matrices, D × D whatever the batch.
    case gram
    /// Whichever moves and computes less.
    case auto
}
