extension CheckpointStore {
    /// Removes what interrupted saves left, and puts a replaced checkpoint back where its successor never came.
    ///
    /// Returns the first failure, after trying everything.
    func removeLeftovers() -> CheckpointError? {
        var failures = FirstFailure()
        var names: [String] = []
        failures.attempt { () throws(CheckpointError) in names = try Directories.names(in: runDirectory) }
        for name in names.compactMap({ CheckpointName($0) }) {
            failures.attempt { () throws(CheckpointError) in try settle(name) }
        }
        return failures.first
    }

    private func settle(_ name: CheckpointName) throws(CheckpointError) {
        let leftover = path(name.step, name.stage)
        switch name.stage {
        case .whole: break
        case .partial, .removing: try Directories.remove(leftover)
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
    func removeExpired(saved: Checkpoint, _ observer: (CommitStep) -> Void) -> CheckpointError? {
        var failures = FirstFailure()
        let replaced = path(saved.step, .replaced)
        if Directories.exists(replaced) {
            failures.attempt { () throws(CheckpointError) in try discard(replaced, saved.step, observer) }
        }
        var others: [Checkpoint] = []
        failures.attempt { () throws(CheckpointError) in others = try list().filter { $0 != saved } }
        var kept = 1
        for checkpoint in others where !checkpoint.isPermanent {
            if kept == keep {
                failures.attempt { () throws(CheckpointError) in
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
    ) throws(CheckpointError) {
        let removing = self.path(step, .removing)
        if Directories.exists(removing) { try Directories.remove(removing) }
        try Directories.rename(path, to: removing)
        try Directories.sync(runDirectory)
        observer(.expiredRenamed)
        try Directories.remove(removing)
        observer(.expiredRemoved)
    }
}

/// Goes on after failures and keeps the first.
private struct FirstFailure {
    private(set) var first: CheckpointError?

    mutating func attempt(_ action: () throws(CheckpointError) -> Void) {
        do {
            try action()
        } catch {
            if first == nil { first = error }
        }
    }
}
