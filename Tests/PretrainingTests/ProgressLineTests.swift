import Testing

import Runs
import Pretraining

@Suite("Text fits the terminal it is on")
struct ProgressLineTests {
    private let line = ProgressLine(fields: [
        .init("epoch 12", rank: 0), .init("step 7/100", rank: 1), .init("loss 0.1234", rank: 2),
        .init("mae 0.1", rank: 4),
        .init("ETA 1:02:03", rank: 3),
    ])

    @Test("less important figures give way, in their order, and the rest stay in theirs")
    func givesWay() {
        #expect(line.text(width: nil) == "epoch 12  step 7/100  loss 0.1234  mae 0.1  ETA 1:02:03")
        #expect(line.text(width: 55) == line.text(width: nil))
        #expect(line.text(width: 54) == "epoch 12  step 7/100  loss 0.1234  ETA 1:02:03")
        #expect(line.text(width: 30) == "epoch 12  step 7/100")
        #expect(line.text(width: 4) == "epoc")
    }

    @Test("no line is longer than the terminal is wide", arguments: 1...120)
    func fits(width: Int) { #expect(line.text(width: width).count <= width) }

    @Test("opening lines are broken at words, and continued with an indentation", arguments: [40, 60, 80])
    func wraps(width: Int) {
        let text = "model    2 blocks of width 32, decoder 1 of 16, 0.03 M parameters, 0.002 GFLOP per image"
        let lines = Reporter.wrapped(text, width: width).split(separator: "\n")
        #expect(lines.count > 1 && lines.allSatisfy { $0.count <= width }, "\(lines)")
        #expect(lines[0].hasPrefix("model    2 blocks") && lines.dropFirst().allSatisfy { $0.hasPrefix("         ") })
        #expect(lines.flatMap { $0.split(separator: " ") } == text.split(separator: " "))
    }
}

@Suite("How often a run is saved")
struct CheckpointIntervalTextTests {
    @Test(
        "is read as people write it, and printed to be read again",
        arguments: [
            ("1", CheckpointInterval.epochs(1)), ("20epochs", .epochs(20)), ("500steps", .steps(500)),
            ("1step", .steps(1)), ("30min", .seconds(1800)), ("90s", .seconds(90)), ("1.5h", .seconds(5400)),
            ("2 hours", .seconds(7200)),
        ])
    func reads(text: String, interval: CheckpointInterval) {
        #expect(CheckpointInterval(text) == interval)
        #expect(CheckpointInterval(interval.text) == interval)
    }

    @Test(
        "nothing else is", arguments: ["", "0", "-1", "1.5", "steps", "5 lightyears", "0min", "1e400h", "nan", "inf"])
    func refuses(text: String) { #expect(CheckpointInterval(text) == nil) }
}
