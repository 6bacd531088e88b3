internal import Evaluation
internal import Features
internal import Foundation

/// What people and programs read of a probe.
struct ProbeReport {
    /// The best one's accuracies on the test images, and all.
    struct Figures: Encodable {
        let top1: Double
        let top5: Double
        let classifiers: [Classifier]
    }

    struct Classifier: Encodable {
        let feature: String
        /// Of one that was trained.
        var blr: Double?
        /// Of logistic regression.
        var l2: Double?
        let top1: Double
        let top5: Double

        /// What it was fitted with.
        var setting: String {
            blr.map { String(format: "blr %-6g", $0) } ?? l2.map { String(format: "l2 %-6g", $0) } ?? ""
        }
    }

    let figures: Figures
    let lines: [String]

    init(_ results: [(feature: ImageFeature, result: LinearProbe.Result)]) {
        let heldOut = results.flatMap { feature, result in
            result.heldOut.map { l2, top1 in
                String(format: "l2       %@ %-7g %.2f%% of the training images held out", feature.name, l2, 100 * top1)
            }
        }
        self.init(
            "logistic", heldOut,
            results.map {
                Classifier(
                    feature: $0.feature.name, l2: $0.result.l2, top1: $0.result.test.top1, top5: $0.result.test.top5)
            })
    }

    init(_ found: [(head: LinearHeads.Head, accuracy: ClassificationAccuracy)]) {
        self.init(
            "linear  ", [],
            found.map {
                Classifier(
                    feature: $0.head.feature.name, blr: $0.head.baseRate, top1: $0.accuracy.top1, top5: $0.accuracy.top5
                )
            })
    }

    init(attentive accuracy: ClassificationAccuracy, blr: Double) {
        self.init(
            "attentive", [],
            [Classifier(feature: "patch tokens", blr: blr, top1: accuracy.top1, top5: accuracy.top5)])
    }

    private init(_ word: String, _ before: [String], _ classifiers: [Classifier]) {
        guard let best = classifiers.max(by: { $0.top1 < $1.top1 }) else {
            preconditionFailure("there is a classifier at least")
        }
        figures = Figures(top1: best.top1, top5: best.top5, classifiers: classifiers)
        let width = classifiers.map(\.feature.count).max() ?? 0
        var lines = before
        for each in classifiers {
            lines.append(
                "\(word) \(each.feature.padding(toLength: width, withPad: " ", startingAt: 0))  \(each.setting) "
                    + String(format: "top-1 %.2f%%, top-5 %.2f%%", 100 * each.top1, 100 * each.top5))
        }
        if classifiers.count > 1 {
            lines.append(
                "best     \(best.feature), \(best.setting.trimmingCharacters(in: .whitespaces)), chosen on the test images: "
                    + String(format: "top-1 %.2f%%", 100 * best.top1))
        }
        self.lines = lines
    }
}
