import Foundation

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

    /// - Parameters:
    ///   - step: steps made so far.
    ///   - total: steps of the whole run.
    package func begin(at step: Int, of total: Int) {
        totalSteps = total
        firstStep = step
        lastStep = step
        started = .now
        lastReport = started
    }

    /// Counts the images of a step.
    ///
    /// - Parameter step: steps made so far, this one included.
    /// - Returns: whether it is time for a line about it.
    package func isDue(after images: Int, step: Int) -> Bool {
        guard !isSilent else { return false }
        imagesSinceReport += images
        let isFirst = step == firstStep + 1
        return isFirst
            || ContinuousClock.now - lastReport >= (isTerminal ? Self.terminalInterval : Self.plainInterval)
    }

    /// A line about a step.
    ///
    /// - Parameters:
    ///   - figures: what the run says of it; of their ranks, 0, 1, 3, 4, 8 and 9 are taken.
    ///   - waited: seconds that this rank has waited for images so far.
    package func step(
        _ progress: some RunProgress, of stepsPerEpoch: Int, _ figures: [ProgressLine.Field], learningRate: Double,
        waited: Double
    ) {
        let now = ContinuousClock.now
        let seconds = (now - lastReport) / .seconds(1)
        let rate = Double(imagesSinceReport) / max(seconds, 1e-9)
        let perStep = ((now - started) / .seconds(1)) / Double(max(progress.step - firstStep, 1))
        let remaining = perStep * Double(totalSteps - progress.step)
        let fields =
            [
                .init("epoch \(progress.epoch)", rank: 0),
                .init("step \(progress.stepInEpoch)/\(stepsPerEpoch)", rank: 1),
            ] + figures + [
                ProgressLine.Field(String(format: "lr %.2e", learningRate), rank: 8),
                .init(String(format: "%.0f images/s", rate), rank: 4), .init("ETA \(Self.time(remaining))", rank: 3),
                .init(Self.wait((waited - waitedBefore) / max(seconds, 1e-9)), rank: 9),
            ]
        // A line that is wrapped cannot be renewed.
        let text = ProgressLine(fields: fields).text(width: isTerminal ? width().map { $0 - 1 } : nil)
        lastReport = now
        lastStep = progress.step
        imagesSinceReport = 0
        waitedBefore = waited
        if isTerminal {
            write("\r\u{1B}[K" + text)
            lineIsOpen = true
        } else {
            write(text + "\n")
        }
    }

    /// A line about an epoch.
    ///
    /// - Parameters:
    ///   - record: of the ranks of its figures, 0, 4 and 7 are taken.
    ///   - dataWait: the share of the time that went by waiting for images.
    package func epoch(_ record: some EpochRecord, dataWait: Double) {
        let fields =
            [.init("epoch \(record.epoch) done", rank: 0)] + record.figures + [
                ProgressLine.Field(String(format: "%.0f images/s", record.imagesPerSecond), rank: 4),
                .init(Self.wait(dataWait), rank: 7),
            ]
        say(ProgressLine(fields: fields).text(width: width()))
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
