/// Where a run stands, as its checkpoints keep it.
package protocol RunProgress: Codable, Sendable {
    /// Steps made of the schedule.
    var step: Int { get }
    /// The epoch under way.
    var epoch: Int { get }
    /// Steps made within it.
    var stepInEpoch: Int { get }
}

/// What a line of `log.txt` tells of an epoch.
package protocol EpochRecord: Codable, Sendable {
    var epoch: Int { get }
}
