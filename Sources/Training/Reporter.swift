internal import Checkpoints
import Foundation

/// What a person sees of a run: a line that renews itself on a terminal, plain lines elsewhere. Silent off rank 0.
package final class Reporter {
    private let write: (String) -> Void
    private let isTerminal: Bool
    private let isSilent: Bool
    private var totalSteps = 0
    private var firstStep = 0
    private var started = ContinuousClock.now
    private var lastReport = ContinuousClock.now
    private var lastStep = 0
    private var imagesSinceReport = 0
    private var lineIsOpen = false
    /// The first and the last epoch, for the closing words.
    package private(set) var epochs: [LogLine] = []

    private static var terminalInterval: Duration { .milliseconds(200) }
    private static var plainInterval: Duration { .seconds(10) }

    /// - Parameter write: receives text, with its line ends.
    package init(isSilent: Bool, isTerminal: Bool, write: @escaping (String) -> Void) {
        self.isSilent = isSilent
        self.isTerminal = isTerminal
        self.write = write
    }

    func begin(at step: Int, of total: Int) {
        totalSteps = total
        firstStep = step
        lastStep = step
        started = .now
        lastReport = started
    }

    func step(_ outcome: StepOutcome, state: RunState, stepsPerEpoch: Int) {
        guard !isSilent else { return }
        imagesSinceReport += outcome.images
        let now = ContinuousClock.now
        let isFirst = state.step == firstStep + 1
        guard isFirst || now - lastReport >= (isTerminal ? Self.terminalInterval : Self.plainInterval) else { return }
        let seconds = (now - lastReport) / .seconds(1)
        let rate = Double(imagesSinceReport) / max(seconds, 1e-9)
        let perStep = ((now - started) / .seconds(1)) / Double(max(state.step - firstStep, 1))
        let remaining = perStep * Double(totalSteps - state.step)
        let loss = state.configuration.loss
        let total = outcome.reconstruction + loss.weight * outcome.uniformity
        let accuracy = outcome.correct.map { String(format: "  acc %4.1f%%", 100 * $0 / Double(outcome.images)) } ?? ""
        let text = String(
            format: "epoch %d  step %d/%d  loss %.4f  mae %.4f  reg %.4f%@  lr %.2e  %.0f images/s  ETA %@",
            state.epoch, state.stepInEpoch, stepsPerEpoch, total, outcome.reconstruction, outcome.uniformity,
            accuracy, outcome.learningRate, rate, Self.time(remaining))
        lastReport = now
        lastStep = state.step
        imagesSinceReport = 0
        if isTerminal {
            write("\r\u{1B}[K" + text)
            lineIsOpen = true
        } else {
            write(text + "\n")
        }
    }

    func epoch(_ line: LogLine) {
        epochs = epochs.isEmpty ? [line] : [epochs[0], line]
        say(
            String(
                format: "epoch %d done  loss %.4f  mae %.4f  reg %.4f%@  effective rank %.1f  %.0f images/s",
                line.epoch, line.trainLoss, line.trainLossMAE, line.trainLossReg,
                line.trainAcc.map { String(format: "  online accuracy %.1f%%", 100 * $0) } ?? "",
                line.effectiveRank, line.imagesPerSecond))
    }

    func saved(_ result: CheckpointStore.SaveResult) {
        say("saved \(result.checkpoint.path)")
        if let failure = result.removalFailure { say("note: an old checkpoint could not be removed: \(failure)") }
    }

    /// A whole line, below an open progress line.
    package func say(_ text: String) {
        guard !isSilent else { return }
        if lineIsOpen { write("\r\u{1B}[K") }
        lineIsOpen = false
        write(text + "\n")
    }

    /// `1:02:03` or `2:03`.
    package static func time(_ seconds: Double) -> String {
        let whole = Int(max(0, min(seconds, 1e9)).rounded())
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        return hours > 0
            ? String(format: "%d:%02d:%02d", hours, minutes, rest) : String(format: "%d:%02d", minutes, rest)
    }
}
