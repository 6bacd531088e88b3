/// How a rank computes, besides what: none of it changes a number.
package struct ComputeConfiguration: Sendable {
    /// Whether most activations are computed again in backward, in place of being kept.
    package var recomputesActivations = false
    /// Micro-batches prepared ahead.
    package var prefetch = 2
    /// File for a timeline; nil for none.
    package var timeline: String?

    package init() {}
}
