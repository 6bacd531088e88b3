/// Where a run stands, as its checkpoints keep it.
package protocol RunProgress: Codable, Sendable {
    /// Steps made of the schedule.
    var step: Int { get }
    /// The epoch under way.
    var epoch: Int { get }
    /// Steps made within it.
    var stepInEpoch: Int { get }
}

/// A line of `log.txt`, and what a person is told of the epoch.
package protocol EpochRecord: Codable, Sendable {
    var epoch: Int { get }
    var imagesPerSecond: Double { get }
    /// What else is told, the more important the lower its rank.
    var figures: [ProgressLine.Field] { get }
    /// How good the model was after it, the higher the better; nil where that is not known.
    var merit: Double? { get }
}

extension EpochRecord {
    package var merit: Double? { nil }
}
