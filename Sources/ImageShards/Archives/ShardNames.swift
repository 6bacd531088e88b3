/// Names of shards in the brace notation of bash: `{a,b}` for either, `{000..012}` for each number of that many digits,
/// `{3..9..2}` for every second one, `{a..f}` for each letter; several of them, and one within another.
package enum ShardNames {
    /// More shards than a data set has; a notation for more is a mistake.
    static var most: Int { 1 << 20 }

    /// - Returns: the names in the order of bash; nil for more than there can be.
    package static func expand(_ pattern: String) -> [String]? {
        expand(Array(pattern.utf8)[...]).map { $0.map { String(decoding: $0, as: UTF8.self) } }
    }

    private static func expand(_ pattern: ArraySlice<UInt8>) -> [[UInt8]]? {
        var start = pattern.startIndex
        while let open = pattern[start...].firstIndex(of: UInt8(ascii: "{")) {
            // What stands between braces and is neither a list nor a range stands for itself.
            guard let (commas, close) = commasAndEnd(pattern, from: open),
                let choices = commas.isEmpty
                    ? range(pattern[(open + 1)..<close]) : list(pattern, bounds: [open] + commas + [close])
            else {
                start = open + 1
                continue
            }
            guard let rest = expand(pattern[(close + 1)...]),
                choices.count.multipliedReportingOverflow(by: rest.count).0 <= most
            else { return nil }
            let first = pattern[..<open]
            return choices.flatMap { choice in rest.map { first + choice + $0 } }
        }
        return [Array(pattern)]
    }

    /// The commas between a brace and the one that closes it, but for those of braces within, and where that one is.
    private static func commasAndEnd(_ pattern: ArraySlice<UInt8>, from open: Int) -> (commas: [Int], close: Int)? {
        var (depth, commas) = (0, [Int]())
        for place in open..<pattern.endIndex {
            switch pattern[place] {
            case UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "}"): depth -= 1
            case UInt8(ascii: ",") where depth == 1: commas.append(place)
            default: break
            }
            if depth == 0 { return (commas, place) }
        }
        return nil
    }

    private static func list(_ pattern: ArraySlice<UInt8>, bounds: [Int]) -> [[UInt8]]? {
        var all: [[UInt8]] = []
        for (begin, end) in zip(bounds, bounds.dropFirst()) {
            guard let some = expand(pattern[(begin + 1)..<end]), all.count + some.count <= most else { return nil }
            all += some
        }
        return all
    }

    /// `1..3`, `01..10..2` or `a..c`; nil for anything else.
    private static func range(_ text: ArraySlice<UInt8>) -> [[UInt8]]? {
        let parts = String(decoding: text, as: UTF8.self).split(separator: "..", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3 else { return nil }
        let step = parts.count == 3 ? Int(parts[2]) : 1
        guard let step, step != .min else { return nil }
        if let first = Int(parts[0]), let last = Int(parts[1]) {
            let isPadded = parts.prefix(2).contains {
                $0.drop { $0 == "-" }.first == "0" && $0.drop { $0 == "-" }.count > 1
            }
            let width = isPadded ? max(parts[0].count, parts[1].count) : 0
            return numbers(from: first, to: last, by: step)?.map { Array(padded($0, width).utf8) }
        }
        guard let first = letter(parts[0]), let last = letter(parts[1]) else { return nil }
        return numbers(from: Int(first), to: Int(last), by: step)?.map { [UInt8($0)] }
    }

    /// Up or down; too many are nil, so that the text stands for itself and is not found.
    private static func numbers(from first: Int, to last: Int, by step: Int) -> [Int]? {
        let (span, overflows) = last.subtractingReportingOverflow(first)
        let stride = max(abs(step), 1)
        guard !overflows, span.magnitude / stride.magnitude < most else { return nil }
        return Array(Swift.stride(from: first, through: last, by: span < 0 ? -stride : stride))
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number.magnitude)
        let sign = number < 0 ? "-" : ""
        return sign + String(repeating: "0", count: max(width - sign.count - digits.count, 0)) + digits
    }

    private static func letter(_ text: Substring) -> UInt8? {
        guard text.utf8.count == 1, let byte = text.utf8.first, text.first?.isLetter == true else { return nil }
        return byte
    }
}
