import Layers
import Tensors
import Testing

@Suite("Each layer's backward against finite differences of its forward, on one thread and on three")
struct FiniteDifferenceTests {
    /// Central differences of fp32 values: rounding of the loss over the step, and the step's own square.
    static let tolerance = 3e-3

    @Test("linear", arguments: [1, 3])
    func linear(threads: Int) throws {
        let bench = try LayerBench(
            Linear.specifications("l", inFeatures: 7, outFeatures: 5), rows: 9, threads: threads,
            scratchBytes: Linear.scratchBytes(.float32, rows: 9, inFeatures: 7, outFeatures: 5))
        let layer = Linear(bench.parameters, "l", .float32, plan: bench.plan)
        let y = Matrix(rows: 9, columns: 5)
        bench.check(input: 7, output: y) { x, context in
            layer.pack(in: context)
            layer.forward(Operand(x), into: y, in: context)
        } backward: { dY, x, dX, context in
            layer.weightBackward(Operand(dY), x: Operand(x), in: context)
            layer.inputBackward(Operand(dY), into: dX, in: context)
        }
    }

    @Test("layer norm", arguments: [1, 3])
    func layerNorm(threads: Int) throws {
        let bench = try LayerBench(LayerNorm.specifications("n", width: 19), rows: 8, threads: threads)
        let layer = LayerNorm(bench.parameters, "n")
        let kept = LayerNorm.Kept("n", rows: 8, width: 19, .float32, plan: bench.plan)
        let y = Matrix(rows: 8, columns: 19)
        bench.check(input: 19, output: y) { x, context in
            layer.forward(x, into: Operand(y), kept, in: context)
        } backward: { dY, _, dX, context in
            layer.backward(Operand(dY), kept, into: dX, accumulate: false, in: context)
        }
    }

    @Test("attention of all tokens and of some", arguments: [1, 3], [0..<5, 2..<4])
    func attention(threads: Int, queries: Range<Int>) throws {
        let layer = Attention(heads: 2, width: 6)
        let bench = try LayerBench(
            [], rows: 10, threads: threads, scratchBytes: layer.scratchBytes(.float32, tokens: 5))
        let y = Matrix(rows: 2 * queries.count, columns: 6)
        let logSums = Matrix(rows: 4, columns: queries.count)
        bench.check(input: 18, output: y) { x, context in
            layer.forward(
                Operand(x), tokens: 5, queries: queries, into: Operand(y), logSums: logSums, in: context)
        } backward: { dY, x, dX, context in
            layer.backward(
                Operand(dY), qkv: Operand(x), tokens: 5, queries: queries, logSums: logSums, into: Operand(dX),
                in: context)
        }
    }

    @Test("transformer block, and one whose branches have factors", arguments: [1, 3], [false, true])
    func block(threads: Int, hasFactors: Bool) throws {
        let bench = try LayerBench(
            TransformerBlock.specifications("b", TransformerBlock.Shape(heads: 2, width: 8, hiddenWidth: 20)), rows: 10,
            threads: threads,
            scratchBytes: 1 << 20)
        let shape = TransformerBlock.Shape(heads: 2, width: 8, hiddenWidth: 20)
        let layer = TransformerBlock(bench.parameters, "b", shape, .float32, plan: bench.plan)
        let stream = Matrix(rows: 10, columns: 8)
        let d = TransformerBlock.StreamGradient(
            "d", Matrix(rows: 10, columns: 8), .float32, hasFactors: hasFactors, plan: bench.plan)
        var activations = TransformerBlock.Activations("b", images: 2, tokens: 5, shape, .float32, plan: bench.plan)
        if hasFactors {
            // Of each branch another image keeps it.
            func row(_ first: Float, _ second: Float) -> Matrix {
                Matrix(rows: 1, columns: 10, values: (0..<10).map { $0 < 5 ? first : second })
            }
            activations.branchFactors = .init(attention: row(1.5, 0), mlp: row(0.5, 2))
        }
        let (factors, a) = (activations.branchFactors, activations)
        let workspace = TransformerBlock.Workspace(
            "b", rows: 10, width: 8, hiddenWidth: 20, .float32, plan: bench.plan)
        bench.check(input: 8, output: stream) { x, context in
            for linear in layer.linearLayers { linear.pack(in: context) }
            context.member.serially { stream.copy(from: x) }
            layer.project(stream, into: a.qkv, a, workspace, in: context)
            layer.attend(a, in: context)
            layer.finish(stream, a, workspace, in: context)
        } backward: { dY, _, dX, context in
            context.member.serially { d.values.copy(from: dY) }
            d.fillCopy(times: factors?.mlp, in: context)
            layer.finishBackward(d, a, workspace, in: context)
            layer.attendBackward(a, workspace, in: context)
            layer.projectBackward(workspace.qkv.rows(0..<10), d, accumulate: true, a, workspace, in: context)
            context.member.serially { dX.copy(from: d.values) }
        }
    }
}

/// A layer with random parameters and input, and the loss that is a random linear function of its output.
struct LayerBench {
    let plan = MemoryPlan()
    let parameters: ParameterSet
    let team: Team
    let contexts: [LayerContext]
    let rows: Int

    init(_ specifications: [ParameterSpecification], rows: Int, threads: Int, scratchBytes: Int = 0) throws {
        parameters = ParameterSet(specifications, plan: plan)
        team = try Team(threads: threads)
        contexts = LayerContext.makeAll(team: team, maximumWidth: 64, scratchBytes: scratchBytes, plan: plan)
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
        input width: Int, output: Matrix, forward: @escaping (Matrix, LayerContext) -> Void,
        backward: @escaping (Matrix, Matrix, Matrix, LayerContext) -> Void
    ) {
        let x = Matrix(rows: rows, columns: width)
        Self.fill(x, seed: 2)
        let weights = Matrix(rows: output.rows, columns: output.columns)
        Self.fill(weights, seed: 3)
        let dX = Matrix(rows: rows, columns: width)
        func runForward() { team.run { forward(x, contexts[$0.index]) } }
        func runBackward() { team.run { backward(weights, x, dX, contexts[$0.index]) } }
        runForward()
        parameters.gradients.clear()
        runBackward()

        func loss() -> Double {
            runForward()
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
        runForward()
        runBackward()
        for (a, b) in zip(parameters.gradients.array, once) { #expect(abs(a - 2 * b) <= 1e-5 + 1e-5 * abs(b)) }
    }
}
