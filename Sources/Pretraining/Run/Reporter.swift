import Foundation
internal import Runs
internal import Training

/// What a person sees of a run: a line that renews itself on a terminal, plain lines elsewhere. Silent off rank 0.
package final class Reporter {
    private let write: (String) -> Void
    private let width: () -> Int?
    private let isTerminal: Bool
    private let isSilent: Bool
    private var totalSteps = 0
    private var firstStep = 0
    private var started = ContinuousClock.now
    private var lastReport = ContinuousClock.now
    private var lastStep = 0
    private var imagesSinceReport = 0
    /// Seconds that this rank had waited for images by then.
    private var waitedBefore = 0.0
    private var lineIsOpen = false
    /// The first and the last epoch, for the closing words.
    package private(set) var epochs: [LogLine] = []

    private static var terminalInterval: Duration { .milliseconds(200) }
    private static var plainInterval: Duration { .seconds(10) }

    /// - Parameters:
    ///   - isTerminal: whether a line can be renewed.
    ///   - width: columns of the terminal as it is now; nil where text may be as long as it is.
    ///   - write: receives text, with its line ends.
    package init(
        isSilent: Bool, isTerminal: Bool, width: @escaping () -> Int? = { nil }, write: @escaping (String) -> Void
    ) {
        self.isSilent = isSilent
        self.isTerminal = isTerminal
        self.width = width
        self.write = write
    }

    func begin(at step: Int, of total: Int) {
        totalSteps = total
        firstStep = step
        lastStep = step
        started = .now
        lastReport = started
    }

    func step(
        _ outcome: StepOutcome<PretrainFigures>, state: RunState, stepsPerEpoch: Int, hasClassifier: Bool,
        waited: Double
    ) {
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
        let figures = outcome.figures
        let total = figures.reconstruction + loss.weight * figures.regularizer
        let accuracy =
            hasClassifier
            ? String(format: "acc %4.1f%%", 100 * figures.correct / Double(outcome.images)) : nil
        let fields: [ProgressLine.Field?] = [
            .init("epoch \(state.epoch)", rank: 0), .init("step \(state.stepInEpoch)/\(stepsPerEpoch)", rank: 1),
            .init(String(format: "loss %.4f", total), rank: 2),
            .init(String(format: "mae %.4f", figures.reconstruction), rank: 5),
            .init(String(format: "reg %.4f", figures.regularizer), rank: 6),
            accuracy.map { .init($0, rank: 7) },
            .init(String(format: "lr %.2e", outcome.learningRate), rank: 8),
            .init(String(format: "%.0f images/s", rate), rank: 4), .init("ETA \(Self.time(remaining))", rank: 3),
            .init(Self.wait((waited - waitedBefore) / max(seconds, 1e-9)), rank: 9),
        ]
        // A line that is wrapped cannot be renewed.
        let text = ProgressLine(fields: fields.compactMap { $0 }).text(width: isTerminal ? width().map { $0 - 1 } : nil)
        lastReport = now
        lastStep = state.step
        imagesSinceReport = 0
        waitedBefore = waited
        if isTerminal {
            write("\r\u{1B}[K" + text)
            lineIsOpen = true
        } else {
            write(text + "\n")
        }
    }

    /// - Parameter dataWait: the share of the time that went by waiting for images.
    func epoch(_ line: LogLine, dataWait: Double) {
        epochs = epochs.isEmpty ? [line] : [epochs[0], line]
        let fields: [ProgressLine.Field?] = [
            .init("epoch \(line.epoch) done", rank: 0), .init(String(format: "loss %.4f", line.trainLoss), rank: 1),
            .init(String(format: "mae %.4f", line.trainLossMAE), rank: 5),
            .init(String(format: "reg %.4f", line.trainLossReg), rank: 6),
            line.trainAcc.map { .init(String(format: "online accuracy %.1f%%", 100 * $0), rank: 3) },
            .init(String(format: "effective rank %.1f", line.effectiveRank), rank: 2),
            line.alignment.map { .init(String(format: "alignment %.2f", $0), rank: 8) },
            line.testLinear.map { .init(String(format: "test: linear %.1f%%", 100 * $0), rank: 9) },
            line.testKNN.map { .init(String(format: "k-NN %.1f%%", 100 * $0), rank: 10) },
            line.testRankMe.map { .init(String(format: "RankMe %.1f", $0), rank: 11) },
            .init(String(format: "%.0f images/s", line.imagesPerSecond), rank: 4), .init(Self.wait(dataWait), rank: 7),
        ]
        say(ProgressLine(fields: fields.compactMap { $0 }).text(width: width()))
        // What was done between epochs is no time of the next one's steps.
        (lastReport, imagesSinceReport) = (.now, 0)
    }

    private static func wait(_ share: Double) -> String {
        String(format: "data wait %.0f%%", 100 * min(max(share, 0), 1))
    }

    /// A whole line, below an open progress line.
    package func say(_ text: String) {
        guard !isSilent else { return }
        if lineIsOpen { write("\r\u{1B}[K") }
        lineIsOpen = false
        write(text + "\n")
    }

    /// A whole line to know.
    package func note(_ text: String) { say("note: \(text)") }

    /// Whole lines, each of which begins with a word for what it is about; broken at the terminal's width.
    package func say(lines: [String]) {
        let width = width()
        for line in lines { say(width.map { Self.wrapped(line, width: $0) } ?? line) }
    }

    /// Continued lines are indented, where there is room for that.
    package static func wrapped(_ line: String, width: Int) -> String {
        let indentation = width >= 40 ? String(repeating: " ", count: 9) : "  "
        var words = line.split(separator: " ", omittingEmptySubsequences: false)[...]
        var lines: [String] = []
        var current = String(words.popFirst() ?? "")
        for word in words {
            if current.count + 1 + word.count <= width {
                current += " " + word
            } else {
                lines.append(current)
                current = indentation + word
            }
        }
        return (lines + [current]).joined(separator: "\n")
    }

    /// `1:02:03` or `2:03`.
    package static func time(_ seconds: Double) -> String {
        let whole = Int(max(0, min(seconds, 1e9)).rounded())
        let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
        return hours > 0
            ? String(format: "%d:%02d:%02d", hours, minutes, rest) : String(format: "%d:%02d", minutes, rest)
    }
}
