package import Checkpoints
import Foundation
internal import Layers
internal import Models
internal import Optimization
internal import Tensors

/// The directory of one run: `log.txt`, `config.yaml` and checkpoints.
package struct RunDirectory: Sendable {
    package let path: String
    package let checkpointEvery: Int
    /// Epochs between checkpoints that are kept for good; 0 for none.
    package let keepEvery: Int
    private let store: CheckpointStore

    /// Creates the directory if it is missing. Only rank 0 makes one that it writes to.
    ///
    /// - Parameters:
    ///   - keep: newest checkpoints that are kept.
    ///   - keepEvery: epochs between checkpoints that are kept for good; 0 for none.
    ///   - checkpointEvery: epochs between checkpoints; the last epoch always has one.
    package init(path: String, keep: Int, keepEvery: Int = 0, checkpointEvery: Int) throws {
        self.path = path
        self.checkpointEvery = checkpointEvery
        self.keepEvery = keepEvery
        store = try CheckpointStore(runDirectory: path, keep: keep)
    }

    package func hasCheckpoints() throws -> Bool { try !store.list().isEmpty }

    /// The newest checkpoint that is whole, if there is one; one line for each damaged one that is passed over.
    package func latest(reportingDamaged: (String) -> Void) throws -> Checkpoint? {
        try store.latestValid(reportingDamaged: reportingDamaged)
    }

    package func write(_ text: String, to name: String) throws {
        try TextFile.replace("\(path)/\(name)", by: text)
    }

    private var logPath: String { "\(path)/log.txt" }

    func appendToLog(_ line: LogLine) throws {
        try TextFile.append(try line.json() + "\n", to: logPath)
    }

    /// Drops the lines of epochs that a resumed run will go through again.
    func rewindLog(to epoch: Int) throws {
        guard let text = try? String(contentsOfFile: logPath, encoding: .utf8) else { return }
        let kept = text.split(separator: "\n").filter { line in
            guard let logged = try? JSONDecoder().decode(LogLine.self, from: Data(line.utf8)) else { return false }
            return logged.epoch < epoch
        }
        try write(kept.map { $0 + "\n" }.joined(), to: "log.txt")
    }

    func save(weights: [NamedTensor], moments: [NamedTensor], _ state: RunState) throws -> CheckpointStore.SaveResult {
        try store.save(
            step: state.step, weights: weights, optimizer: moments,
            metadata: ["format": "pt"],
            isPermanent: keepEvery > 0 && state.stepInEpoch == 0 && state.epoch % keepEvery == 0, state: state)
    }
}

/// A run directory that cannot be used as it is asked for.
package struct RunDirectoryError: Error, CustomStringConvertible {
    package let description: String
}

extension Checkpoint {
    /// Fills model and optimizer; returns the state to go on from, under the configuration of `fresh`.
    ///
    /// - Throws: if the checkpoint belongs to another model, seed, effective batch or other data.
    func restore(_ model: MaskedAutoencoder, _ optimizer: AdamW, for fresh: RunState) throws -> RunState {
        var saved = try state(RunState.self)
        if let obstacle = fresh.configuration.obstacleToResuming(saved.configuration) {
            throw RunDirectoryError(description: "cannot resume from \(path): it is of \(obstacle)")
        }
        guard saved.dataFingerprint == fresh.dataFingerprint else {
            throw RunDirectoryError(
                description: "cannot resume from \(path): it was trained on other images than --data-path now holds")
        }
        guard saved.epoch < fresh.configuration.epochs else {
            throw RunDirectoryError(
                description: "nothing to resume: \(path) is of a finished run of \(saved.epoch) epochs; "
                    + "raise --epochs to train on")
        }
        try model.loadWeights(from: weights())
        try optimizer.loadMoments(from: self.optimizer(), of: model.parameters)
        saved.configuration = fresh.configuration
        saved.worldSize = fresh.worldSize
        return saved
    }
}
