/// Which features a micro-batch is compared with.
package enum Negatives: String, Codable, CaseIterable, Sendable {
    /// Those of the whole effective batch: all ranks and all micro-batches of the update.
    case effective
    /// Those of the same micro-batch, on all ranks.
    case micro
}
