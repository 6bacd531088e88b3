internal import Host

/// The checkpoints of a run directory.
///
/// A checkpoint is written under the name `checkpoint-<step>.partial`, made durable, and renamed. Other than whole
/// checkpoints, the directory may hold, after a crash:
///
/// | suffix      | what it is                                                      | what becomes of it           |
/// |-------------|-----------------------------------------------------------------|------------------------------|
/// | `.partial`  | a save that did not end                                         | removed by the next save     |
/// | `.removing` | a checkpoint no longer kept                                     | removed by the next save     |
/// | `.replaced` | the earlier one of a step that is saved again; counts as long as there is none in its place | put back, or removed |
/// | `.abandoned` | one that a run left behind when it went back to an older one; `-2` and so on behind it where there are several | kept |
///
/// Only what a store's own run has written is ever removed: a symbolic link, another run's checkpoint or a directory that
/// somebody has put files into stays as it is. One process at a time may save.
package struct CheckpointStore: Sendable {
    package let runDirectory: String
    /// How many checkpoints are kept, the newest.
    package let keep: Int
    /// Stands in each checkpoint and says which run wrote it; nil where all in the directory count as this run's.
    package let run: String?

    /// Creates the run directory if it is missing.
    ///
    /// - Parameter keep: 1 or above.
    package init(runDirectory: String, keep: Int, run: String? = nil) throws {
        precondition(keep >= 1, "at least one checkpoint is kept")
        try Directories.createAll(runDirectory)
        self.runDirectory = runDirectory
        self.keep = keep
        self.run = run
    }

    /// All checkpoints, newest first, whether damaged or not.
    package func list() throws -> [Checkpoint] { try Self.list(in: runDirectory) }

    /// Compares size and CRC-32 of every file of the checkpoint of `step` with its manifest.
    package func validate(_ step: Int) throws {
        let checkpoint = try list().first { $0.step == step }
        try (checkpoint ?? Checkpoint(step: step, path: path(step, .whole))).validate()
    }

    /// The newest checkpoint that `validate` accepts; nil if there is none.
    ///
    /// - Parameter reportingDamaged: receives one line for each newer one that is skipped.
    package func latestValid(reportingDamaged: (String) -> Void) throws -> Checkpoint? {
        try Self.latestValid(in: runDirectory, reportingDamaged: reportingDamaged)
    }

    /// The checkpoint a user names: a checkpoint directory, wherever it lies, or a run directory for its newest
    /// undamaged one. Its files are verified. Nothing is written.
    ///
    /// - Throws: `CheckpointError`: the checkpoint is damaged, or there is none.
    package static func open(
        _ path: String, reportingDamaged: (String) -> Void
    ) throws -> Checkpoint {
        // A missing path and a file in its place are told apart here.
        let names = try Directories.names(in: path)
        let stepOfName = CheckpointName(Directories.lastComponent(path))?.step
        if names.contains(CheckpointManifest.fileName) || stepOfName != nil {
            // A directory that was renamed by hand is as good: its manifest knows the step.
            let checkpoint = Checkpoint(step: try CheckpointManifest(directory: path).step, path: path)
            try checkpoint.validate()
            return checkpoint
        }
        var damaged = 0
        let latest = try latestValid(in: path) {
            damaged += 1
            reportingDamaged($0)
        }
        if let latest { return latest }
        throw CheckpointError(path: path, damaged == 0 ? .noCheckpoint : .noValidCheckpoint(damaged: damaged))
    }

    func path(_ step: Int, _ stage: CheckpointName.Stage) -> String {
        Directories.child(runDirectory, CheckpointName(step: step, stage: stage).text)
    }

    /// All checkpoints of a directory, newest first, whether damaged or not.
    package static func list(in directory: String) throws -> [Checkpoint] {
        let names = try Directories.names(in: directory).compactMap { CheckpointName($0) }
        let whole = Set(names.filter { $0.stage == .whole }.map(\.step))
        let counting = names.filter { $0.stage == .whole || $0.stage == .replaced && !whole.contains($0.step) }
        return counting.sorted { $0.step > $1.step }.map {
            Checkpoint(step: $0.step, path: Directories.child(directory, $0.text))
        }
    }

    /// The newest checkpoint of a directory that `Checkpoint.validate` accepts; nil if there is none.
    ///
    /// - Parameter reportingDamaged: receives one line for each newer one that is skipped.
    /// - Throws: where a newer one cannot be read now, or is of a later version of the program: neither means that it is
    ///   damaged, and going on from an older one would leave its training behind.
    package static func latestValid(
        in directory: String, reportingDamaged: (String) -> Void
    ) throws -> Checkpoint? {
        for checkpoint in try list(in: directory) {
            do {
                try checkpoint.validate()
                return checkpoint
            } catch let error as FileError where error.isPassing {
                throw error
            } catch let error as CheckpointError where error.isOfLaterVersion {
                throw error
            } catch {
                reportingDamaged("skipping the checkpoint of step \(checkpoint.step): \(error)")
            }
        }
        return nil
    }
}

/// The name of a directory in a run directory: `checkpoint-00001200`, or with a suffix for what is on its way.
struct CheckpointName: Equatable {
    enum Stage: String, CaseIterable {
        case whole = ""
        case partial = ".partial"
        case replaced = ".replaced"
        case removing = ".removing"
    }

    let step: Int
    let stage: Stage

    private static var prefix: String { "checkpoint-" }
    private static var digitCount: Int { 8 }

    init(step: Int, stage: Stage) {
        precondition(step >= 0)
        self.step = step
        self.stage = stage
    }

    /// Nil if `text` is not such a name, exactly as `text` would write it.
    init?(_ text: String) {
        guard text.hasPrefix(Self.prefix) else { return nil }
        let digits = text.dropFirst(Self.prefix.count).prefix { $0.isASCII && $0.isNumber }
        guard let step = Int(digits) else { return nil }
        guard let stage = Stage(rawValue: String(text[digits.endIndex...])) else { return nil }
        self.init(step: step, stage: stage)
        if self.text != text { return nil }
    }

    var text: String {
        let digits = String(step)
        let zeros = String(repeating: "0", count: max(0, Self.digitCount - digits.count))
        return "\(Self.prefix)\(zeros)\(digits)\(stage.rawValue)"
    }
}
