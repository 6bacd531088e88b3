/// Minimises a smooth function by limited-memory BFGS (Nocedal 1980; Liu and Nocedal 1989) with a line search that ends at
/// the weak Wolfe conditions, by bisection.
struct LBFGS {
    var iterations = 200
    /// It ends where no part of the gradient is larger.
    var tolerance = 1e-6
    /// Steps that the curvature is known of.
    var memory = 10

    struct Outcome {
        let point: [Double]
        let value: Double
        let iterations: Int
        let converged: Bool
    }

    /// - Parameter evaluate: the value at a point, and the gradient there.
    func minimize(
        from start: [Double], _ evaluate: (_ point: [Double]) throws -> (value: Double, gradient: [Double])
    ) rethrows -> Outcome {
        var point = start
        var (value, gradient) = try evaluate(point)
        var history: [(step: [Double], change: [Double], product: Double)] = []
        for iteration in 0..<iterations {
            guard Self.largest(gradient) > tolerance else {
                return Outcome(point: point, value: value, iterations: iteration, converged: true)
            }
            let direction = Self.direction(gradient, history)
            let slope = Self.dot(gradient, direction)
            // Without any curvature known, a step of length 1 at most.
            let first = history.isEmpty ? min(1, 1 / Self.dot(gradient, gradient).squareRoot()) : 1
            guard
                slope < 0,
                let found = try search(point, value, direction, slope, first: first, evaluate)
            else { return Outcome(point: point, value: value, iterations: iteration, converged: false) }
            let step = zip(found.point, point).map { $0 - $1 }
            let change = zip(found.gradient, gradient).map { $0 - $1 }
            let product = Self.dot(step, change)
            if product > 1e-14 * Self.dot(change, change) {
                if history.count == memory { history.removeFirst() }
                history.append((step, change, product))
            }
            (point, value, gradient) = (found.point, found.value, found.gradient)
        }
        return Outcome(point: point, value: value, iterations: iterations, converged: false)
    }

    /// The two loops of Nocedal 1980.
    private static func direction(
        _ gradient: [Double], _ history: [(step: [Double], change: [Double], product: Double)]
    ) -> [Double] {
        var q = gradient
        var factors: [Double] = []
        for pair in history.reversed() {
            let factor = dot(pair.step, q) / pair.product
            factors.append(factor)
            for index in q.indices { q[index] -= factor * pair.change[index] }
        }
        if let last = history.last {
            let scale = last.product / dot(last.change, last.change)
            for index in q.indices { q[index] *= scale }
        }
        for (pair, factor) in zip(history, factors.reversed()) {
            let other = factor - dot(pair.change, q) / pair.product
            for index in q.indices { q[index] += other * pair.step[index] }
        }
        return q.map { -$0 }
    }

    private func search(
        _ point: [Double], _ value: Double, _ direction: [Double], _ slope: Double, first: Double,
        _ evaluate: (_ point: [Double]) throws -> (value: Double, gradient: [Double])
    ) rethrows -> (point: [Double], value: Double, gradient: [Double])? {
        var (low, high, length) = (0.0, Double.infinity, first)
        for _ in 0..<40 {
            let candidate = zip(point, direction).map { $0 + length * $1 }
            let found = try evaluate(candidate)
            if !(found.value <= value + 1e-4 * length * slope) {
                high = length
            } else if Self.dot(found.gradient, direction) < 0.9 * slope {
                low = length
            } else {
                return (candidate, found.value, found.gradient)
            }
            length = high < .infinity ? (low + high) / 2 : 2 * length
        }
        return nil
    }

    private static func dot(_ a: [Double], _ b: [Double]) -> Double {
        var total = 0.0
        for index in a.indices { total += a[index] * b[index] }
        return total
    }

    private static func largest(_ values: [Double]) -> Double { values.reduce(0) { max($0, abs($1)) } }
}
