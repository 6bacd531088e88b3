import ArgumentParser

/// Numbers of nodes: `1,2,8`, or `1,2,4,...,1024`, where the dots go on as the two numbers before them do: doubled,
/// multiplied, or with the same difference.
struct NodeCounts: ExpressibleByArgument, Equatable {
    let values: [Int]

    static var most: Int { 1 << 20 }

    init(values: [Int]) { self.values = values }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        var values: [Int] = []
        var goesOn = false
        for part in parts {
            if part == "..." || part == "…" {
                guard values.count >= 2, !goesOn else { return nil }
                goesOn = true
                continue
            }
            guard let value = Int(part), value >= 1, value <= Self.most else { return nil }
            if goesOn { values = Self.extended(values, to: value) }
            goesOn = false
            if values.last != value { values.append(value) }
        }
        guard !values.isEmpty, !goesOn, zip(values, values.dropFirst()).allSatisfy({ $0 < $1 }) else { return nil }
        self.values = values
    }

    var defaultValueDescription: String { "1,2,4,...,1024" }

    private static func extended(_ values: [Int], to end: Int) -> [Int] {
        var values = values
        let (before, last) = (values[values.count - 2], values[values.count - 1])
        let multiplies = last % before == 0 && last > before
        while let value = values.last, last > before {
            let next = multiplies ? value * (last / before) : value + (last - before)
            guard next < end else { break }
            values.append(next)
        }
        return values
    }
}
