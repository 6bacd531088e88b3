/// How a rank computes, besides what: none of it changes a number.
package struct ComputeConfiguration: Sendable {
    /// Whether most activations are computed again in backward, in place of being kept.
    package var recomputesActivations = false
    /// Threads that prepare micro-batches ahead; with 0, each is prepared when it is needed.
    package var workers = 1
    /// File for a timeline; nil for none.
    package var timeline: String?

    package init() {}
}
