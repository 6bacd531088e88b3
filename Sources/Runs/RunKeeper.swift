internal import Checkpoints
import Foundation

/// What rank 0 keeps of a run, its log and its checkpoints, and what becomes of those that cannot be written: each failure
/// is said when it happens and tried again at the next occasion; only the last one fails the run.
package final class RunKeeper<State: RunProgress> {
    private let output: RunDirectory
    private let saver: BackgroundSaver<State>
    private let say: (String) -> Void
    private let interval: CheckpointInterval
    /// The step of the last save that was asked for, and when that was.
    private var savedStep: Int
    private var savedAt = ContinuousClock.now
    private var touchedAt = ContinuousClock.now
    private var failedSaves = 0
    private var failedLines = 0
    private var removalFailure: String?

    /// - Parameters:
    ///   - step: steps made so far.
    ///   - say: receives lines for a person.
    package init(
        output: RunDirectory, saver: BackgroundSaver<State>, interval: CheckpointInterval, step: Int,
        say: @escaping (String) -> Void
    ) {
        self.output = output
        self.saver = saver
        self.say = say
        self.interval = interval
        savedStep = step
        saver.begin(in: output)
    }

    // MARK: When

    /// Whether a checkpoint is due after `step` updates, in the middle of an epoch.
    package func isDue(step: Int) -> Bool {
        switch interval {
        case .epochs: false
        case .steps(let count): step - savedStep >= count
        case .seconds(let seconds): (ContinuousClock.now - savedAt) / .seconds(1) >= seconds
        }
    }

    /// Whether a checkpoint is due after `epochs` of them, for one that could not be written too.
    package func isDue(epochs: Int) -> Bool {
        if failedSaves > 0 || output.isPermanent(epoch: epochs) { return true }
        guard case .epochs(let count) = interval else { return false }
        return epochs % count == 0
    }

    // MARK: Saving

    /// Asks for a checkpoint of what is now; the one before is over then.
    package func request(_ state: State) {
        take(saver.finish())
        saver.request(state)
        savedStep = state.step
        savedAt = .now
    }

    /// Says what became of a save that is over, and shows other processes that the run is alive. Does not wait.
    package func look() {
        take(saver.poll())
        guard (ContinuousClock.now - touchedAt) / .seconds(1) > DirectoryLock.heartbeat else { return }
        touchedAt = .now
        output.touch()
    }

    /// Waits for the save under way, or writes the one that was asked for.
    package func wait() { take(saver.finish()) }

    /// Ends the run's last save and its log.
    ///
    /// - Throws: why the checkpoint could not be written. A log that lacks lines is no reason to fail.
    package func finish() throws {
        switch saver.finish() {
        case .failed(_, let error): throw error
        case let outcome: take(outcome)
        }
        do { try output.catchUpLog() } catch {
            say("note: the last epochs are missing in the log: \(error)")
        }
    }

    private func take(_ outcome: BackgroundSaver<State>.Outcome?) {
        switch outcome {
        case nil: return
        case .saved(let result):
            failedSaves = 0
            say("saved \(result.checkpoint.path)")
            let removal = result.removalFailure.map { "\($0)" }
            if let removal, removal != removalFailure {
                say("note: an old checkpoint could not be removed: \(removal)")
            }
            removalFailure = removal
        case .failed(let step, let error):
            failedSaves += 1
            guard Self.isTold(failedSaves) else { return }
            say(
                "note: the checkpoint of step \(step) could not be written: \(error); it is tried again after this epoch"
                    + (failedSaves > 1 ? " (\(failedSaves) failures so far)" : ""))
        }
    }

    // MARK: The log

    /// Adds an epoch to the log. Lines that cannot be written wait for the next one.
    package func log(_ line: some EpochRecord) {
        do {
            try output.append(line)
            failedLines = 0
        } catch {
            failedLines += 1
            guard Self.isTold(failedLines) else { return }
            say("note: epoch \(line.epoch) could not be logged: \(error); it is tried again with the next one")
        }
    }

    /// The first of several like failures, and then fewer and fewer.
    private static func isTold(_ count: Int) -> Bool { count.nonzeroBitCount == 1 }
}
