internal import Checkpoints
import Foundation
internal import Host

/// Where a run is to be kept: nowhere, in the directory that was named, or in a new one below `runs/`. Rank 0's alone.
package enum RunPlace {
    case nowhere
    case named(String)
    /// The name is taken at the last moment; somebody else may have it by then, and then it gets a number.
    case fresh(String)

    /// - Parameters:
    ///   - directory: as it was asked for; empty for nowhere, nil for a new one.
    ///   - name: what a new one is called, behind the time.
    init(_ directory: String?, name: String) {
        switch directory {
        case nil: self = .fresh("runs/\(Self.moment)-\(name)")
        case "": self = .nowhere
        case let path?: self = .named(path)
        }
    }

    /// The moment in universal time, which never repeats; a batch job's number where there is one.
    private static var moment: String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "yyyyMMdd-HHmmss"
        let environment = ProcessInfo.processInfo.environment
        let job = environment["SLURM_JOB_ID"] ?? environment["PBS_JOBID"]?.prefix { $0.isNumber }.description
        let task = environment["SLURM_ARRAY_TASK_ID"] ?? environment["PBS_ARRAY_INDEX"]
        let parts = [formatter.string(from: Date()), job.map { "job\($0)" }, task.map { "task\($0)" }]
        return parts.compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: "-")
    }

    package var isKept: Bool { if case .nowhere = self { false } else { true } }

    /// As far as it is known before the run begins.
    package var path: String? {
        switch self {
        case .nowhere: nil
        case .named(let path): path
        case .fresh(let path): path
        }
    }

    /// Looks whether somebody else has the place, and changes nothing.
    func examineOwner() throws {
        if case .named(let path) = self { try RunDirectory.examineOwner(path) }
    }

    /// Looks whether a run can be kept there, and changes nothing.
    func examine(resume: Checkpoint?) throws {
        switch self {
        case .nowhere: return
        case .named(let path): try RunDirectory.examine(path, resume: resume)
        case .fresh(let path): _ = try Directories.canHold(path, flag: "--output-dir")
        }
    }

    /// Takes the directory; nil where nothing is kept.
    func take(_ retention: RunDirectory.Retention, resume: Checkpoint?) throws -> RunDirectory? {
        switch self {
        case .nowhere: nil
        case .named(let path): try RunDirectory(path, retention: retention, resume: resume)
        case .fresh(let path): try RunDirectory.make(path, retention: retention, resume: resume)
        }
    }
}
