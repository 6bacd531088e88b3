/// Everything that decides what a run computes. Saved with each checkpoint; all ranks must hold the same.
package protocol RunConfiguration: Codable, Equatable, Sendable {
    init()

    var update: UpdateConfiguration { get set }
    var schedule: Schedule { get set }
    var data: DataConfiguration { get set }
    /// Whether weights depend on how a rank's images are divided into micro-batches by more than how sums are rounded.
    var accumulationDecidesNumbers: Bool { get }
    /// What kind of run a checkpoint is of; nil for pretraining, whose checkpoints do not say.
    static var kind: String? { get }
}
