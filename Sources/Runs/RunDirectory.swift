package import Checkpoints
internal import Communication
import Foundation
internal import Host
internal import Safetensors

/// The directory of one run: `log.txt`, `config.yaml` and checkpoints. Whoever has one is its only owner as long as it lives.
package final class RunDirectory: @unchecked Sendable {
    package let path: String
    /// Whether the run goes on from a checkpoint that lies here.
    private let continues: Bool
    private let keepEvery: Int
    private let store: CheckpointStore
    private let lock: DirectoryLock
    private var log: AppendedLog

    /// How checkpoints are kept.
    package struct Retention: Sendable {
        /// Newest checkpoints that are kept, 1 or above.
        package var keep: Int
        /// Epochs between checkpoints that are kept for good; 0 for none.
        package var keepEvery: Int

        package init(keep: Int, keepEvery: Int = 0) {
            self.keep = keep
            self.keepEvery = keepEvery
        }
    }

    /// Takes a directory, which is created if it is missing. Nothing in it is changed but the lock.
    ///
    /// - Parameter resume: the checkpoint the run goes on from, if any.
    /// - Throws: `RunDirectoryError`, `DirectoryLockError`, `FileError` or `CheckpointError`: it cannot be used, or somebody else has it.
    package init(_ path: String, retention: Retention, resume: Checkpoint?) throws {
        try Directories.createAll(path)
        lock = try DirectoryLock(directory: path)
        // Again, now that nobody else can change it.
        try Self.examine(path, resume: resume)
        self.path = path
        let continues = resume.map { Self.holds($0, path) } ?? false
        self.continues = continues
        keepEvery = retention.keepEvery
        // What is linked to is another run's, which this one only begins with.
        let earlier = resume.flatMap { continues && Directories.isDirectoryItself($0.path) ? $0.run : nil }
        store = try CheckpointStore(
            runDirectory: path, keep: retention.keep, run: earlier ?? UUID().uuidString)
        log = AppendedLog(path: Self.logPath(path))
    }

    /// Makes a new directory whose name nobody has: `name`, or `name-2` and so on, and takes it.
    package static func make(_ name: String, retention: Retention, resume: Checkpoint?) throws -> RunDirectory {
        for number in 1... {
            let path = number == 1 ? name : "\(name)-\(number)"
            guard try Directories.createExclusively(path) else { continue }
            return try RunDirectory(path, retention: retention, resume: resume)
        }
        preconditionFailure("there are names enough")
    }

    /// Whether `checkpoint` lies in the run directory `path` itself, also as a link to one elsewhere.
    private static func holds(_ checkpoint: Checkpoint, _ path: String) -> Bool {
        guard let own = Directories.resolved(path) else { return false }
        return Directories.resolved(Directories.parent(of: checkpoint.path)) == own
    }

    private static func logPath(_ path: String) -> String { "\(path)/log.txt" }
    private static func configurationPath(_ path: String) -> String { "\(path)/config.yaml" }

    // MARK: Looking

    /// Looks whether somebody has the directory, before anything is read that an owner may be about to change.
    package static func examineOwner(_ path: String) throws {
        if let owner = DirectoryLock.owner(ofDirectory: path) {
            throw DirectoryLockError(directory: path, owner: owner)
        }
    }

    /// Looks whether a run can be kept here, and changes nothing.
    ///
    /// - Parameter resume: the checkpoint the run is to go on from, if any.
    /// - Throws: one line that says why not and what to do.
    package static func examine(_ path: String, resume: Checkpoint?) throws {
        guard try Directories.canHold(path, flag: "--output-dir") else { return }
        let checkpoints = try CheckpointStore.list(in: path)
        if !checkpoints.isEmpty {
            guard let resume else {
                throw RunDirectoryError(
                    description: "\(path) already holds a run: go on with --resume auto, or choose another --output-dir"
                )
            }
            guard holds(resume, path) else {
                throw RunDirectoryError(
                    description:
                        "\(path) holds a run, and \(resume.path) is of another: choose another --output-dir for the "
                        + "run that goes on from it")
            }
            return
        }
        for (file, isOwn) in [
            (configurationPath(path), isOwnConfiguration), (logPath(path), isOwnLog),
        ] where Directories.exists(file) && !isOwn(file) {
            throw RunDirectoryError(
                description:
                    "\(file) is there, and umae-dist did not write it: choose another --output-dir, or move the "
                    + "file away")
        }
    }

    private static func isOwnConfiguration(_ path: String) -> Bool {
        TextFile.beginning(of: path, count: configurationMark.utf8.count).map {
            $0.elementsEqual(configurationMark.utf8)
        }
            ?? false
    }

    /// Empty, or begins with a line of an epoch.
    private static func isOwnLog(_ path: String) -> Bool {
        guard let bytes = TextFile.beginning(of: path, count: 1 << 12) else { return false }
        return bytes.isEmpty || epoch(ofLogLine: Array(bytes.prefix { $0 != UInt8(ascii: "\n") })) != nil
    }

    /// By it a configuration is known as one of this program's.
    private static var configurationMark: String { "# The settings of a run of umae-dist" }

    /// Nil if it is no line of an epoch.
    private static func epoch(ofLogLine line: [UInt8]) -> Int? {
        struct Line: Decodable { let epoch: Int }
        return try? JSONDecoder().decode(Line.self, from: Data(line)).epoch
    }

    // MARK: Beginning

    /// Makes the directory that of a run which begins with `epoch`: what the run will go through again, or leaves behind, is
    /// set aside under another name.
    ///
    /// - Parameters:
    ///   - step: the update that the run goes on after, 0 at the beginning.
    ///   - note: receives a line for each thing that is set aside.
    package func begin(epoch: Int, step: Int, note: (String) -> Void) throws {
        if continues {
            let abandoned = try store.setAside(after: step)
            if !abandoned.isEmpty {
                note(
                    "\(abandoned.count) later checkpoint\(abandoned.count == 1 ? " is" : "s are") set aside and kept as "
                        + abandoned.prefix(3).joined(separator: ", ") + (abandoned.count > 3 ? ", …" : "")
                        + ": the run goes on from step \(step)")
                if let copy = try copyOfLog() { note("the log so far is kept as \(copy)") }
            }
            _ = try log.rewind { line in Self.epoch(ofLogLine: line).map { $0 >= epoch } ?? false }
        } else if Directories.exists(log.path) {
            let name = Directories.freeName("log.txt", in: path)
            try Directories.rename(log.path, to: "\(path)/\(name)")
            note("the log of an earlier run without a checkpoint is kept as \(name)")
        }
    }

    private func copyOfLog() throws -> String? {
        guard let text = TextFile.text(of: log.path) else { return nil }
        let name = Directories.freeName("log.txt", in: path)
        try TextFile.replace("\(path)/\(name)", by: text)
        return name
    }

    /// Writes `config.yaml`. One that was there and says something else is kept under another name.
    ///
    /// - Parameters:
    ///   - settings: a recipe.
    ///   - remarks: what else there is to know, a line each.
    package func write(settings: String, remarks: [String], note: (String) -> Void) throws {
        let file = Self.configurationPath(path)
        // In any order, which is another in other versions.
        func lines(_ text: String) -> [Substring] {
            text.split(separator: "\n").filter { !$0.hasPrefix("#") }.sorted()
        }
        if let earlier = TextFile.text(of: file), lines(earlier) != lines(settings) {
            let name = Directories.freeName("config.yaml", in: path)
            try TextFile.replace("\(path)/\(name)", by: earlier)
            note("the settings so far are kept as \(name)")
        }
        let comments = ([Self.configurationMark] + remarks.map { "# \($0)" }).joined(separator: "\n")
        try TextFile.replace(file, by: "\(comments)\n\(settings)\n")
    }

    // MARK: While it runs

    /// Adds an epoch to the log.
    func append(_ record: some EpochRecord) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try log.append(String(decoding: try encoder.encode(record), as: UTF8.self))
    }

    /// Writes the lines of the log that could not be written before.
    func catchUpLog() throws { try log.catchUp() }

    /// Whether an epoch has a checkpoint that is kept for good.
    func isPermanent(epoch: Int) -> Bool { keepEvery > 0 && epoch % keepEvery == 0 }

    func save(
        weights: [NamedTensor], optimizer: [NamedTensor], _ state: some RunProgress
    ) throws -> CheckpointStore.SaveResult {
        lock.touch()
        return try store.save(
            step: state.step, weights: weights, optimizer: optimizer, metadata: ["format": "pt"],
            isPermanent: state.stepInEpoch == 0 && isPermanent(epoch: state.epoch), state: state)
    }

    /// Shows other processes that the run is alive, where the file system has no locks.
    func touch() { lock.touch() }
}

/// A run directory that cannot be used as it is asked for.
package struct RunDirectoryError: PermanentError, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}
