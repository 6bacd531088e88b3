import Layers
import Tensors
import Testing

@Suite("Each layer's backward against finite differences of its forward, on one thread and on three")
struct FiniteDifferenceTests {
    /// Central differences of fp32 values: rounding of the loss over the step, and the step's own square.
    static let tolerance = 3e-3

    @Test("linear", arguments: [1, 3])
    func linear(threads: Int) {
        let bench = LayerBench(Linear.specifications("l", inFeatures: 7, outFeatures: 5), rows: 9, threads: threads)
        let layer = Linear(bench.parameters, "l")
        let y = Matrix(rows: 9, columns: 5)
        bench.check(input: 7, output: y) {
            layer.forward($0, into: y, in: bench.context)
        } backward: { dY, x, dX in
            layer.backward(dY, x: x, into: dX, in: bench.context)
        }
    }

    @Test("layer norm", arguments: [1, 3])
    func layerNorm(threads: Int) {
        let bench = LayerBench(LayerNorm.specifications("n", width: 19), rows: 8, threads: threads)
        let layer = LayerNorm(bench.parameters, "n")
        let statistics = LayerNorm.Statistics(rows: 8, name: "n", plan: bench.plan)
        let y = Matrix(rows: 8, columns: 19)
        bench.check(input: 19, output: y) {
            layer.forward($0, into: y, statistics, in: bench.context)
        } backward: { dY, x, dX in
            layer.backward(dY, x: x, statistics, into: dX, accumulate: false, in: bench.context)
        }
    }

    @Test("attention", arguments: [1, 3])
    func attention(threads: Int) {
        let bench = LayerBench([], rows: 10, threads: threads)
        let layer = Attention(tokens: 5, heads: 2, width: 6)
        let y = Matrix(rows: 10, columns: 6)
        bench.check(input: 18, output: y) {
            layer.forward($0, into: y, in: bench.context)
        } backward: { dY, x, dX in
            layer.backward(dY, qkv: x, into: dX, in: bench.context)
        }
    }

    @Test("transformer block", arguments: [1, 3])
    func block(threads: Int) {
        let bench = LayerBench(
            TransformerBlock.specifications("b", width: 8, hiddenWidth: 20), rows: 10, threads: threads)
        let layer = TransformerBlock(bench.parameters, "b", tokens: 5, heads: 2, width: 8)
        let input = Matrix(rows: 10, columns: 8)
        let activations = TransformerBlock.Activations("b", input: input, hiddenWidth: 20, plan: bench.plan)
        let workspace = TransformerBlock.Workspace("b", rows: 10, width: 8, hiddenWidth: 20, plan: bench.plan)
        bench.check(input: 8, output: activations.output) {
            input.copy(from: $0)
            layer.forward(activations, in: bench.context)
        } backward: { dY, _, dX in
            dX.copy(from: dY)
            layer.backward(dX, activations, workspace, in: bench.context)
        }
    }
}

/// A layer with random parameters and input, and the loss that is a random linear function of its output.
struct LayerBench {
    let plan = MemoryPlan()
    let parameters: ParameterSet
    let context: LayerContext
    let rows: Int

    init(_ specifications: [ParameterSpecification], rows: Int, threads: Int) {
        parameters = ParameterSet(specifications, plan: plan)
        context = LayerContext(team: Team(threads: threads), maximumWidth: 64, maximumTokens: 8, plan: plan)
        self.rows = rows
        Self.fill(parameters.values, seed: 1)
    }

    static func fill(_ matrix: Matrix, seed: UInt64) {
        var random = SampleRandom(seed: seed, epoch: 0, sample: 0, purpose: .initialization)
        for row in 0..<matrix.rows {
            for column in 0..<matrix.columns { matrix[row, column] = Float(random.uniform(-0.8, 0.8)) }
        }
    }

    /// Compares the gradient of input and parameters with slopes along random directions.
    func check(
        input width: Int, output: Matrix, forward: (Matrix) -> Void, backward: (Matrix, Matrix, Matrix) -> Void
    ) {
        let x = Matrix(rows: rows, columns: width)
        Self.fill(x, seed: 2)
        let weights = Matrix(rows: output.rows, columns: output.columns)
        Self.fill(weights, seed: 3)
        let dX = Matrix(rows: rows, columns: width)
        forward(x)
        parameters.gradients.clear()
        backward(weights, x, dX)

        func loss() -> Double {
            forward(x)
            return zip(output.array, weights.array).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        func compare(_ values: Matrix, _ gradient: Matrix, _ name: String) {
            for seed in 0..<4 {
                let direction = Matrix(rows: values.rows, columns: values.columns)
                Self.fill(direction, seed: UInt64(10 + seed))
                let original = values.array
                func moved(_ step: Double) -> Double {
                    values.copy(from: zip(original, direction.array).map { Float(Double($0) + step * Double($1)) })
                    defer { values.copy(from: original) }
                    return loss()
                }
                let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3
                let product = zip(gradient.array, direction.array).reduce(0) { $0 + Double($1.0) * Double($1.1) }
                let scale = gradient.array.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
                #expect(
                    abs(slope - product) < FiniteDifferenceTests.tolerance * max(scale, 1e-3),
                    "\(name): slope \(slope), gradient \(product)")
            }
        }
        compare(x, dX, "input")
        for specification in parameters.specifications {
            let range = parameters.range(of: specification.name)
            compare(parameters.values.columns(range), parameters.gradients.columns(range), specification.name)
        }
        // Parameter gradients are added to.
        let once = parameters.gradients.array
        forward(x)
        backward(weights, x, dX)
        for (a, b) in zip(parameters.gradients.array, once) { #expect(abs(a - 2 * b) <= 1e-5 + 1e-5 * abs(b)) }
    }
}
