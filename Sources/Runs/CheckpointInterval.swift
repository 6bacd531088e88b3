/// How often a run is saved: every so many epochs, steps or minutes.
package enum CheckpointInterval: Equatable, Sendable {
    case epochs(Int)
    case steps(Int)
    case seconds(Double)

    /// `20` epochs, `500steps`, or `30min`, also `45s` and `2h`; nil for anything else.
    package init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        let unit = text[digits.endIndex...].trimmingPrefix(" ").lowercased()
        switch unit {
        case "", "epoch", "epochs":
            guard let count = Int(digits), count >= 1, count <= Self.most else { return nil }
            self = .epochs(count)
        case "step", "steps":
            guard let count = Int(digits), count >= 1, count <= Self.most else { return nil }
            self = .steps(count)
        default:
            guard let scale = Self.seconds[unit], let count = Double(digits), count > 0 else { return nil }
            guard count * scale >= 1, count * scale <= Double(Self.most) else { return nil }
            self = .seconds(count * scale)
        }
    }

    private static var most: Int { 1 << 40 }
    private static let seconds: [String: Double] = [
        "s": 1, "sec": 1, "second": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hour": 3600,
        "hours": 3600,
    ]

    /// The text that `init` reads as this interval.
    package var text: String {
        switch self {
        case .epochs(let count): "\(count)"
        case .steps(let count): "\(count)steps"
        case .seconds(let seconds):
            if seconds.truncatingRemainder(dividingBy: 60) == 0 { "\(Int(seconds / 60))min" } else { "\(seconds)s" }
        }
    }
}
