package import Safetensors
internal import Host

extension CheckpointStore {
    /// What a save has done.
    package struct SaveResult: Sendable {
        package let checkpoint: Checkpoint
        /// All files together.
        package let bytes: Int
        /// Why leftovers or checkpoints that are no longer kept could not be removed. The save itself succeeded.
        package let removalFailure: (any Error)?
    }

    /// Writes a checkpoint that is whole or absent, whenever the process or the machine ends, and removes those beyond
    /// the newest `keep`.
    ///
    /// The one just saved is always kept. Damaged ones, told by their files' sizes, are not counted among the `keep`.
    /// An existing checkpoint of the same step is replaced, and counts until the new one is in its place.
    ///
    /// - Parameters:
    ///   - metadata: strings for the header of the weights, such as `["format": "pt"]`.
    ///   - isPermanent: whether newer checkpoints never push it out; it is then not counted among the `keep`.
    ///   - state: whatever else is needed to go on.
    ///   - observer: called at each point between two changes of the disk.
    /// - Throws: `FileError` with the failed call. Earlier checkpoints are then as they were.
    @discardableResult
    package func save(
        step: Int, weights: [NamedTensor], optimizer: [NamedTensor], metadata: [String: String] = [:],
        isPermanent: Bool = false, state: some Encodable, observer: (CommitStep) -> Void = { _ in }
    ) throws -> SaveResult {
        let checkpoint = Checkpoint(step: step, path: path(step, .whole))
        // Before anything is written: a state that cannot be encoded costs nothing.
        let encodedState = try StateCoding.encode(state, path: checkpoint.path(of: .state))
        let leftoverFailure = removeLeftovers()
        observer(.leftoversRemoved)

        let partial = Checkpoint(step: step, path: path(step, .partial))
        let bytes: Int
        do {
            try Directories.create(partial.path)
            observer(.partialCreated)
            bytes = try write(partial, weights, optimizer, metadata, isPermanent, encodedState, observer)
            try exchange(partial, for: checkpoint, observer)
        } catch {
            // Gives back the space on a full disk; what cannot be removed now, the next save removes.
            try? Directories.remove(partial.path)
            throw error
        }
        let expiryFailure = removeExpired(saved: checkpoint, observer)
        return SaveResult(checkpoint: checkpoint, bytes: bytes, removalFailure: leftoverFailure ?? expiryFailure)
    }

    /// Returns the bytes of all files, which are on the device.
    private func write(
        _ partial: Checkpoint, _ weights: [NamedTensor], _ optimizer: [NamedTensor], _ metadata: [String: String],
        _ isPermanent: Bool, _ state: [UInt8], _ observer: (CommitStep) -> Void
    ) throws -> Int {
        let weightsRecord = try SafetensorsWriter.write(weights, metadata: metadata, to: partial.path(of: .weights))
        observer(.weightsWritten)
        let optimizerRecord = try SafetensorsWriter.write(optimizer, to: partial.path(of: .optimizer))
        observer(.optimizerWritten)
        let stateRecord = try write(state, to: partial.path(of: .state))
        observer(.stateWritten)
        let files: [CheckpointFile: FileRecord] = [
            .weights: weightsRecord, .optimizer: optimizerRecord, .state: stateRecord,
        ]
        let manifest = CheckpointManifest(
            step: partial.step,
            files: Dictionary(uniqueKeysWithValues: files.map { ($0.key.rawValue, $0.value) }),
            isPermanent: isPermanent, run: run)
        let manifestPath = Directories.child(partial.path, CheckpointManifest.fileName)
        let manifestRecord = try write(try manifest.encoded(path: manifestPath), to: manifestPath)
        observer(.manifestWritten)
        try Directories.sync(partial.path)
        observer(.partialSynced)
        return files.values.reduce(manifestRecord.size) { $0 + $1.size }
    }

    private func write(_ content: [UInt8], to path: String) throws -> FileRecord {
        var file = try ChecksummedFile(path: path)
        try file.append(content)
        return try file.finish()
    }

    /// Gives `partial` the name of `checkpoint`, durably.
    private func exchange(
        _ partial: Checkpoint, for checkpoint: Checkpoint, _ observer: (CommitStep) -> Void
    ) throws {
        let replaced = path(checkpoint.step, .replaced)
        var isReplacing = Directories.exists(checkpoint.path)
        if isReplacing, obstacleToRemoving(checkpoint.path) != nil {
            _ = try setAside(checkpoint)
            isReplacing = false
        }
        if isReplacing {
            try Directories.rename(checkpoint.path, to: replaced)
            try Directories.sync(runDirectory)
            observer(.previousSetAside)
        }
        do {
            try Directories.rename(partial.path, to: checkpoint.path)
        } catch {
            if isReplacing { try? Directories.rename(replaced, to: checkpoint.path) }
            throw error
        }
        observer(.renamed)
        try Directories.sync(runDirectory)
        observer(.committed)
    }
}
