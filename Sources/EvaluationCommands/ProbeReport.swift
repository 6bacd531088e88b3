internal import Evaluation
internal import Foundation

/// What people and programs read of a probe.
struct ProbeReport {
    struct Figures: Encodable {
        var top1: Double
        var top5: Double
        /// Of logistic regression.
        var l2: Double?
        /// Of trained heads: each of them, the best being the one above.
        var heads: [Head]?
    }

    struct Head: Encodable {
        let feature: String
        let blr: Double
        let top1: Double
        let top5: Double
    }

    let figures: Figures
    let lines: [String]

    init(_ result: LinearProbe.Result) {
        figures = Figures(top1: result.test.top1, top5: result.test.top5, l2: result.l2)
        lines =
            result.heldOut.map { l2, top1 in
                String(format: "l2       %-7g %.2f%% of the training images held out", l2, 100 * top1)
            } + ["logistic \(Self.text(result.test)) (l2 \(String(format: "%g", result.l2)))"]
    }

    /// - Parameter blr: the rates of each feature.
    init(_ found: [(head: LinearHeads.Head, accuracy: ClassificationAccuracy)], blr: [Double]) {
        let heads = found.map {
            Head(
                feature: $0.head.feature.name, blr: $0.head.baseRate, top1: $0.accuracy.top1, top5: $0.accuracy.top5)
        }
        guard let best = heads.max(by: { $0.top1 < $1.top1 }) else { preconditionFailure("there is a head at least") }
        figures = Figures(top1: best.top1, top5: best.top5, l2: nil, heads: heads)
        let width = heads.map(\.feature.count).max() ?? 0
        var lines = found.map { head, accuracy in
            "linear   \(head.feature.name.padding(toLength: width, withPad: " ", startingAt: 0))  blr "
                + String(format: "%-6g", head.baseRate) + " \(Self.text(accuracy))"
        }
        if heads.count > 1 {
            lines.append(
                "best     \(best.feature), blr \(String(format: "%g", best.blr)), chosen on the test images: top-1 "
                    + String(format: "%.2f%%", 100 * best.top1))
        }
        self.lines = lines
    }

    private static func text(_ accuracy: ClassificationAccuracy) -> String {
        String(format: "top-1 %.2f%%, top-5 %.2f%%", 100 * accuracy.top1, 100 * accuracy.top5)
    }
}
