import Optimization
import Training

/// What `ToyRun` trains, written down as one loop over all images in double precision: no ranks, no micro-batches.
struct PlainLoop {
    var weights = [Double](repeating: 0, count: ToyRun.pixels + 1)
    private var first = [Double](repeating: 0, count: ToyRun.pixels + 1)
    private var second = [Double](repeating: 0, count: ToyRun.pixels + 1)
    /// 1/2G · Σ (w·x + b − y)² of each step.
    var losses: [Double] = []
    var gradientNorms: [Double] = []

    init(_ run: ToyRun, steps: Int) {
        for step in 1...steps { update(step, run) }
    }

    private mutating func update(_ step: Int, _ run: ToyRun) {
        let samples = run.samples(of: step)
        let images = samples.map { sample in (0..<ToyRun.pixels).map { ToyRun.pixel($0, of: sample) } + [1] }
        let predictions = images.map { zip($0, weights).reduce(0) { $0 + $1.0 * $1.1 } }
        let errors = zip(predictions, samples).map { $0 - Double(run.targets[$1] ?? ToyRun.target(of: $1)) }
        let count = Double(samples.count)
        let common = run.lambda * predictions.reduce(0, +) / count
        losses.append(errors.reduce(0) { $0 + $1 * $1 } / (2 * count))
        var gradient = weights.indices.map { index in
            zip(errors, images).reduce(0) { $0 + ($1.0 + common) * $1.1[index] } / count
        }
        let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
        gradientNorms.append(norm)
        if let most = run.rules.clipGradient, norm > most { gradient = gradient.map { $0 * most / norm } }
        adamW(gradient, step, rate: run.rate)
    }

    private mutating func adamW(_ gradient: [Double], _ step: Int, rate: Double) {
        let c = ToyRun.adam
        func power(_ base: Double) -> Double { (0..<step).reduce(1) { product, _ in product * base } }
        for (index, g) in gradient.enumerated() {
            first[index] = c.beta1 * first[index] + (1 - c.beta1) * g
            second[index] = c.beta2 * second[index] + (1 - c.beta2) * g * g
            let (mean, square) = (first[index] / (1 - power(c.beta1)), second[index] / (1 - power(c.beta2)))
            weights[index] -= rate * (c.weightDecay * weights[index] + mean / (square.squareRoot() + c.epsilon))
        }
    }
}
