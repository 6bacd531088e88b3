import Glibc

extension SampleRandom {
    /// Standard normal (Box and Muller 1958).
    package mutating func normal() -> Float {
        let radius = (-2 * log(1 - Double(uniform()))).squareRoot()
        return Float(radius * cos(2 * .pi * Double(uniform())))
    }

    /// Of the symmetrical beta distribution: X / (X + Y), both of the gamma distribution with shape `alpha`.
    package mutating func beta(_ alpha: Double) -> Double {
        let (first, second) = (logGamma(alpha), logGamma(alpha))
        // Of logarithms: with a small shape both numbers may be too small for any other way.
        return 1 / (1 + exp(second - first))
    }

    /// The logarithm of a number of the gamma distribution (Marsaglia and Tsang, "A simple method for generating gamma
    /// variables", 2000; with a shape below 1 by their section 6).
    private mutating func logGamma(_ shape: Double) -> Double {
        precondition(shape > 0)
        if shape < 1 { return logGamma(shape + 1) + log(1 - uniform(0, 1)) / shape }
        let d = shape - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = Double(normal())
            let root = 1 + c * x
            if root <= 0 { continue }
            let v = root * root * root
            if log(1 - uniform(0, 1)) < x * x / 2 + d * (1 - v + log(v)) { return log(d * v) }
        }
    }
}
