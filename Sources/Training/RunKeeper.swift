internal import Checkpoints
import Foundation
internal import Tensors
internal import Runs

/// What rank 0 keeps of a run, its log and its checkpoints, and what becomes of those that cannot be written: each failure
/// is said when it happens and tried again at the next occasion; only the last one fails the run.
final class RunKeeper {
    private let output: RunDirectory
    private let saver: BackgroundSaver
    private let reporter: Reporter
    private let interval: CheckpointInterval
    /// Of the last save that was asked for.
    private var savedStep: Int
    private var savedAt = ContinuousClock.now
    private var touchedAt = ContinuousClock.now
    private var failedSaves = 0
    private var failedLines = 0
    private var removalFailure: String?

    /// - Parameter step: updates made so far.
    init(
        output: RunDirectory, saver: BackgroundSaver, reporter: Reporter, interval: CheckpointInterval, step: Int
    ) {
        self.output = output
        self.saver = saver
        self.reporter = reporter
        self.interval = interval
        savedStep = step
        saver.begin(in: output)
    }

    // MARK: When

    /// Whether a checkpoint is due after `step` updates, in the middle of an epoch.
    func isDue(step: Int) -> Bool {
        switch interval {
        case .epochs: false
        case .steps(let count): step - savedStep >= count
        case .seconds(let seconds): (ContinuousClock.now - savedAt) / .seconds(1) >= seconds
        }
    }

    /// Whether a checkpoint is due after `epochs` of them, for one that could not be written too.
    func isDue(epochs: Int) -> Bool {
        if failedSaves > 0 || output.isPermanent(epoch: epochs) { return true }
        guard case .epochs(let count) = interval else { return false }
        return epochs % count == 0
    }

    // MARK: Saving

    /// Asks for a checkpoint of what is now; the one before is over then.
    func request(_ state: RunState) {
        take(saver.finish())
        saver.request(state)
        savedStep = state.step
        savedAt = .now
    }

    /// Says what became of a save that is over, and shows other processes that the run is alive. Does not wait.
    func look() {
        take(saver.poll())
        guard (ContinuousClock.now - touchedAt) / .seconds(1) > DirectoryLock.heartbeat else { return }
        touchedAt = .now
        output.touch()
    }

    /// Waits for the save under way, or writes the one that was asked for.
    func wait() { take(saver.finish()) }

    /// Ends the run's last save and its log.
    ///
    /// - Throws: why the checkpoint could not be written. A log that lacks lines is no reason to fail.
    func finish() throws {
        switch saver.finish() {
        case .failed(_, let error): throw error
        case let outcome: take(outcome)
        }
        do { try output.catchUpLog() } catch {
            reporter.say("note: the last epochs are missing in the log: \(error)")
        }
    }

    private func take(_ outcome: BackgroundSaver.Outcome?) {
        switch outcome {
        case nil: return
        case .saved(let result):
            failedSaves = 0
            reporter.say("saved \(result.checkpoint.path)")
            let removal = result.removalFailure.map { "\($0)" }
            if let removal, removal != removalFailure {
                reporter.say("note: an old checkpoint could not be removed: \(removal)")
            }
            removalFailure = removal
        case .failed(let step, let error):
            failedSaves += 1
            guard Self.isTold(failedSaves) else { return }
            reporter.say(
                "note: the checkpoint of step \(step) could not be written: \(error); it is tried again after this epoch"
                    + (failedSaves > 1 ? " (\(failedSaves) failures so far)" : ""))
        }
    }

    // MARK: The log

    /// Adds an epoch to the log. Lines that cannot be written wait for the next one.
    func log(_ line: LogLine) {
        do {
            try output.append(line)
            failedLines = 0
        } catch {
            failedLines += 1
            guard Self.isTold(failedLines) else { return }
            reporter.say("note: epoch \(line.epoch) could not be logged: \(error); it is tried again with the next one")
        }
    }

    /// The first of several like failures, and then fewer and fewer.
    private static func isTold(_ count: Int) -> Bool { count.nonzeroBitCount == 1 }
}
