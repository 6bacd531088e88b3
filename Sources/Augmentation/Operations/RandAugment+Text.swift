extension RandAugment: CustomStringConvertible {
    /// A policy as timm writes it: `rand-m9-mstd0.5-inc1`. Its `p`, `mmax` and `t` are not supported.
    package init(_ text: String) throws(AugmentationError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.first == "rand" else { throw .badPolicy(text, part: parts.first.map(String.init) ?? "") }
        var (magnitude, layers, deviation, increases) = (10, 2, 0.0, false)
        for part in parts.dropFirst() {
            // Letters, and a number behind them.
            let name = part.prefix { $0.isLetter }
            let value = part.dropFirst(name.count)
            switch (name, Int(value), Double(value)) {
            case ("m", let whole?, _) where 0...10 ~= whole: magnitude = whole
            case ("n", let whole?, _) where whole > 0: layers = whole
            case ("mstd", _, let number?) where number >= 0: deviation = number
            case ("inc", let whole?, _) where 0...1 ~= whole: increases = whole == 1
            default: throw .badPolicy(text, part: String(part))
            }
        }
        self.init(magnitude: magnitude, layers: layers, deviation: deviation, increases: increases)
    }

    package var description: String {
        "rand-m\(magnitude)-n\(layers)-mstd\(deviation)-inc\(increases ? 1 : 0)"
    }
}
