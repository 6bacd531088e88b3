import ArgumentParser

/// What a number on the command line may be. Every flag that takes one is checked while it is parsed, so that a recipe's
/// line or a variable can be named, and so that no later product of such numbers overflows.
package enum Bounds {
    /// Far above any use, far below what two such numbers overflow with.
    package static let count = 1...1 << 30

    /// - Throws: `ValidationError` that names the flag.
    package static func check(_ flag: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
        guard let value, !range.contains(value) else { return }
        throw ValidationError(
            "\(flag) is \(value): it must be at least \(range.lowerBound) and at most \(range.upperBound)")
    }

    package enum Lower {
        case above(Double)
        case atLeast(Double)

        func allows(_ value: Double) -> Bool {
            switch self {
            case .above(let bound): value > bound
            case .atLeast(let bound): value >= bound
            }
        }

        var text: String {
            switch self {
            case .above(let bound): "above \(Bounds.text(bound))"
            case .atLeast(let bound): bound == 0 ? "0 or above" : "at least \(Bounds.text(bound))"
            }
        }
    }

    /// - Parameter most: a finite bound; only said where it is near enough to be met.
    /// - Throws: `ValidationError` that names the flag; also for NaN.
    package static func check(_ flag: String, _ value: Double?, _ lower: Lower, most: Double = 1e100) throws {
        guard let value, !(lower.allows(value) && value <= most) else { return }
        throw ValidationError(
            "\(flag) is \(value): it must be \(lower.text)\(value > most ? " and at most \(text(most))" : "")")
    }

    /// Without a fraction where there is none.
    private static func text(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    }
}

/// What the value of a flag may be, known before the flag is.
package struct Limit<Value> {
    /// Throws `ValidationError` that names the flag.
    package let check: (String, Value) throws -> Void

    package init(check: @escaping (String, Value) throws -> Void) { self.check = check }
}

extension Limit<Int> {
    package static func within(_ range: ClosedRange<Int>) -> Limit {
        Limit { try Bounds.check($0, $1, range) }
    }
}

extension Limit<Double> {
    package static func above(_ bound: Double, most: Double = 1e100) -> Limit {
        Limit { try Bounds.check($0, $1, .above(bound), most: most) }
    }

    package static func atLeast(_ bound: Double, most: Double = 1e100) -> Limit {
        Limit { try Bounds.check($0, $1, .atLeast(bound), most: most) }
    }
}
