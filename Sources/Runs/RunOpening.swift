package import Checkpoints
package import Communication
internal import Host

/// How a run begins, whatever it computes: where it is kept, and what it goes on from.
///
/// Rank 0 looks and takes for all; every rank calls. Everything is looked at (`checkpoint`, `examine`) before anything is
/// changed (`take`, `begin`).
package struct RunOpening {
    /// What is asked for.
    package struct Request: Sendable {
        /// `--output-dir`: empty for nowhere, nil for a new directory below `runs/`.
        package var directory: String?
        /// `--resume`: a checkpoint, a run's directory, or `auto`; empty to begin anew.
        package var resume = ""
        package var retention: RunDirectory.Retention

        package init(directory: String?, resume: String, retention: RunDirectory.Retention) {
            self.directory = directory
            self.resume = resume
            self.retention = retention
        }
    }

    package let place: RunPlace
    private let request: Request
    private let communicator: any Communicator
    private let note: (String) -> Void

    /// - Parameters:
    ///   - name: what a new directory is called, behind the time.
    ///   - note: receives lines for a person.
    package init(
        _ request: Request, name: String, in communicator: any Communicator, note: @escaping (String) -> Void
    ) {
        self.request = request
        self.communicator = communicator
        self.note = note
        place = RunPlace(request.directory, name: name)
    }

    // MARK: Looking

    /// The checkpoint to go on from, if there is one: rank 0 finds it, all ranks read it. Collective.
    ///
    /// - Throws: also if somebody else has the directory.
    package func checkpoint() throws -> Checkpoint? {
        try communicator.agree { if communicator.rank == 0 { try place.examineOwner() } }
        guard !request.resume.isEmpty else { return nil }
        let found = try communicator.agree { communicator.rank == 0 ? try checkpointAskedFor() : nil }
        let path = String(decoding: try communicator.allGather(Array((found?.path ?? "").utf8))[0], as: UTF8.self)
        guard !path.isEmpty else { return nil }
        return try communicator.agree { try CheckpointStore.open(path) { _ in } }
    }

    /// Looks whether the run can be kept. Collective.
    package func examine(resume: Checkpoint?) throws {
        try communicator.agree { if communicator.rank == 0 { try place.examine(resume: resume) } }
    }

    /// Nil where `auto` finds that there is none yet.
    private func checkpointAskedFor() throws -> Checkpoint? {
        let (resume, directory) = (request.resume, request.directory ?? "")
        guard resume == "auto" else {
            // A checkpoint of the run directory may go by its name alone.
            if !directory.isEmpty, !Directories.exists(resume) {
                let inside = Directories.child(directory, resume)
                if Directories.exists(inside) { return try CheckpointStore.open(inside, reportingDamaged: note) }
            }
            guard !Directories.exists(resume) || Directories.isDirectory(resume) else {
                throw SettingsError("--resume: \(resume) is a file: give the checkpoint's directory, or the run's")
            }
            return try CheckpointStore.open(resume, reportingDamaged: note)
        }
        guard !directory.isEmpty else {
            throw SettingsError("--resume auto goes on with the run in --output-dir: give the directory")
        }
        guard Directories.exists(directory) else { return nil }
        if let latest = try CheckpointStore.latestValid(in: directory, reportingDamaged: note) { return latest }
        guard try CheckpointStore.list(in: directory).isEmpty else {
            throw SettingsError(
                "\(directory) holds no undamaged checkpoint: to begin anew, move it away or choose another --output-dir"
            )
        }
        return nil
    }

    // MARK: Changing

    /// Takes the directory; nil on all ranks but the first, and where nothing is kept. Collective.
    package func take(resume: Checkpoint?) throws -> RunDirectory? {
        try communicator.agree {
            communicator.rank == 0 ? try place.take(request.retention, resume: resume) : nil
        }
    }

    /// Makes a directory that was taken that of this run. Collective.
    ///
    /// - Parameters:
    ///   - epoch: the run begins with it.
    ///   - step: the run goes on after it, 0 at the beginning.
    ///   - settings: a recipe.
    ///   - remarks: what else there is to know, a line each.
    package func begin(
        _ directory: RunDirectory?, epoch: Int, step: Int, settings: String, remarks: [String]
    ) throws {
        try communicator.agree {
            try directory?.begin(epoch: epoch, step: step, note: note)
            try directory?.write(settings: settings, remarks: remarks, note: note)
        }
    }
}
