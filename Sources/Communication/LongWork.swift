/// Work outside MPI that may rightly take long, because a disk, a file system or a terminal does. The watch for stalls sets
/// it no limit as long as the rank shows signs of life.
package enum LongWork: Int64, CaseIterable, Sendable {
    // Zero stands for none in the table that ranks share.
    case saving = 1
    case readingCheckpoint, readingData, writingLog, writingTimeline, printing, packing, staging, evaluating

    /// What a rank that is at it does.
    package var name: String {
        switch self {
        case .saving: "saving a checkpoint"
        case .readingCheckpoint: "reading a checkpoint"
        case .readingData: "reading the data set"
        case .writingLog: "writing the log"
        case .writingTimeline: "writing the timeline"
        case .packing: "packing images"
        case .staging: "bringing shards to this host"
        case .evaluating: "evaluating features"
        case .printing: "writing to standard output"
        }
    }
}

extension Communicator {
    /// Runs `body`, which may take as long as it takes: while it runs, neither this rank nor those of its host that wait
    /// for it count as stalled. Not collective; `body` does not communicate. Nothing but `body` where nobody watches.
    package func during<Result>(_ work: LongWork, _ body: () throws -> Result) rethrows -> Result {
        let outer = table?.beginWork(work)
        defer { if let outer { table?.endWork(returningTo: outer) } }
        return try body()
    }

    /// Says that this rank gets on, where it computes for long without a message. Not collective.
    package func noteProgress() { table?.noteProgress() }
}
