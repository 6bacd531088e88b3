internal import Host

extension CheckpointStore {
    /// Removes what interrupted saves left, and puts a replaced checkpoint back where its successor never came.
    ///
    /// Returns the first failure, after trying everything.
    func removeLeftovers() -> (any Error)? {
        var failures = FirstFailure()
        var names: [String] = []
        failures.attempt { names = try Directories.names(in: runDirectory) }
        for name in names.compactMap({ CheckpointName($0) }) {
            failures.attempt { try settle(name) }
        }
        return failures.first
    }

    private func settle(_ name: CheckpointName) throws {
        let leftover = path(name.step, name.stage)
        switch name.stage {
        case .whole: break
        case .partial, .removing: try remove(leftover)
        case .replaced:
            let successor = path(name.step, .whole)
            if Directories.exists(successor) {
                try discard(leftover, name.step) { _ in }
            } else {
                try Directories.rename(leftover, to: successor)
            }
        }
    }

    /// Removes all but permanent ones and the newest `keep`, of which `saved` is one, and the checkpoint that `saved` has replaced.
    ///
    /// Returns the first failure, after trying everything.
    func removeExpired(saved: Checkpoint, _ observer: (CommitStep) -> Void) -> (any Error)? {
        var failures = FirstFailure()
        let replaced = path(saved.step, .replaced)
        if Directories.exists(replaced) {
            failures.attempt { try discard(replaced, saved.step, observer) }
        }
        var others: [Checkpoint] = []
        failures.attempt { others = try list().filter { $0 != saved } }
        var kept = 1
        for checkpoint in others where !checkpoint.isPermanent && isOwn(checkpoint.path) {
            if kept == keep {
                failures.attempt {
                    try discard(checkpoint.path, checkpoint.step, observer)
                }
            } else if (try? checkpoint.validateSizes()) != nil {
                // One that cannot be read now may be readable later: it neither counts nor goes.
                kept += 1
            }
        }
        return failures.first
    }

    /// Removes a checkpoint. It is renamed first, so that one that is half deleted never bears the name of a whole one.
    private func discard(
        _ path: String, _ step: Int, _ observer: (CommitStep) -> Void
    ) throws {
        if let obstacle = obstacleToRemoving(path) { throw CheckpointError(path: path, .foreign(obstacle)) }
        let removing = self.path(step, .removing)
        if Directories.exists(removing) { try remove(removing) }
        try Directories.rename(path, to: removing)
        try Directories.sync(runDirectory)
        observer(.expiredRenamed)
        try remove(removing)
        observer(.expiredRemoved)
    }

    /// Removes a directory of this run's own.
    private func remove(_ path: String) throws {
        if let obstacle = obstacleToRemoving(path) { throw CheckpointError(path: path, .foreign(obstacle)) }
        try Directories.remove(path)
    }

    /// Whether a checkpoint is a directory that this run wrote: neither a link to one elsewhere nor another run's.
    private func isOwn(_ path: String) -> Bool {
        guard Directories.isDirectoryItself(path) else { return false }
        guard let run, let writer = (try? CheckpointManifest(directory: path))?.run else { return true }
        return run == writer
    }

    /// Why something in the run directory is not this run's to remove, all of it; nil if it is.
    func obstacleToRemoving(_ path: String) -> String? {
        guard Directories.isDirectoryItself(path) else { return "it is no directory but a link or a file" }
        guard isOwn(path) else { return "another run wrote it" }
        let known = Set(CheckpointFile.allCases.map(\.rawValue) + [CheckpointManifest.fileName])
        guard let names = try? Directories.names(in: path), let foreign = names.first(where: { !known.contains($0) })
        else { return nil }
        return "it also holds \(foreign), which umae-dist did not write"
    }
}

// MARK: Going back

extension CheckpointStore {
    /// Gives all checkpoints after `step` names under which they are kept and no longer count, newest first.
    ///
    /// - Returns: the new names.
    package func setAside(after step: Int) throws -> [String] {
        var names: [String] = []
        for checkpoint in try list() where checkpoint.step > step { names.append(try setAside(checkpoint)) }
        return names
    }

    /// Returns the new name.
    func setAside(_ checkpoint: Checkpoint) throws -> String {
        let name = Directories.freeName(CheckpointName(step: checkpoint.step, stage: .whole).text, in: runDirectory)
        try Directories.rename(checkpoint.path, to: Directories.child(runDirectory, name))
        try Directories.sync(runDirectory)
        return name
    }
}

/// Goes on after failures and keeps the first.
private struct FirstFailure {
    private(set) var first: (any Error)?

    mutating func attempt(_ action: () throws -> Void) {
        do {
            try action()
        } catch {
            if first == nil { first = error }
        }
    }
}
