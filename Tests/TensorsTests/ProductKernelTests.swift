import CVectorKernels
import Foundation
import Tensors
import TestSupport
import Testing

/// Products and attention against double precision, with operands of both types, at sizes around tile, panel and block,
/// for every instruction set this machine has.
@Suite("Product and attention kernels")
struct ProductKernelTests {
    private func forEachSet(_ body: () -> Void) {
        let best = umae_kernels_isa()
        defer { umae_kernels_select(best) }
        for set in VectorKernelTests.sets {
            #expect(umae_kernels_select(set))
            body()
        }
    }

    private static func operand(_ rows: Int, _ columns: Int, _ element: ElementType, seed: UInt64) -> Operand {
        var random = SampleRandom(seed: seed, epoch: 0, sample: rows * columns, purpose: .initialization)
        let values = Matrix(
            rows: rows, columns: columns, values: (0..<rows * columns).map { _ in Float(random.uniform(-1, 1)) })
        // One element off any alignment.
        let wide = MemoryPlan().operand(.batches, "x", rows: rows, columns: columns + 3, element)
        let operand = wide.columns(1..<columns + 1)
        operand.convert(from: values)
        return operand
    }

    private static func run(_ product: MatrixProduct, m: Int, n: Int, k: Int) {
        let bytes = ScratchMemory.bytes(
            forProduct: product.a.element, m: m, n: n, k: k, transposeA: product.transposeA)
        product.run(
            by: TeamMember.alone,
            scratch: ScratchMemory(bytes: bytes, name: "scratch", plan: MemoryPlan()))
    }

    /// m, n, k below, at and above tile (6 × 64), block (96 × 768), depth (256 floats, 768 bfloat16)
    /// and piece (1024 floats, 3072 bfloat16) of a product.
    static let shapes = [
        (1, 1, 1), (2, 3, 2), (5, 15, 7), (6, 16, 16), (7, 17, 33), (13, 63, 31), (12, 64, 64), (97, 65, 5),
        (96, 130, 770), (100, 770, 9), (6, 48, 801), (193, 80, 300), (13, 70, 3101),
    ]

    @Test("bias, residual, GELU and conversion follow a product", arguments: ElementType.allCases, shapes)
    func forward(_ element: ElementType, shape: (Int, Int, Int)) {
        let (m, n, k) = shape
        forEachSet {
            let a = Self.operand(m, k, element, seed: 1)
            let b = Self.operand(n, k, element, seed: 2)
            let values = (a.array, b.array)
            let bias = Matrix(rows: 1, columns: n, values: Self.operand(1, n, .float32, seed: 3).array)
            let residual = Matrix(rows: m, columns: n, values: Self.operand(m, n, .float32, seed: 4).array)
            let packed = PackedOperand("b", rows: k, columns: n, element, plan: MemoryPlan())
            packed.pack(
                Matrix(rows: n, columns: k, values: values.1), transposed: true,
                by: TeamMember.alone)
            for factor in [MatrixProduct.Factor.operand(b, transposed: true), .packed(packed)] {
                var product = MatrixProduct(a, factor)
                product.bias = bias
                product.residual = residual
                let result = Matrix(rows: m, columns: n)
                product.result = result
                let output = Self.operand(m, n, element, seed: 5)
                let gelu = Self.operand(m, n, element, seed: 6)
                product.output = output
                product.gelu = gelu
                Self.run(product, m: m, n: n, k: k)
                let (rounded, activated) = (output.array, gelu.array)
                for row in 0..<m {
                    for column in 0..<n {
                        var sum = Double(bias[0, column]) + Double(residual[row, column])
                        for index in 0..<k {
                            sum += Double(values.0[row * k + index]) * Double(values.1[column * k + index])
                        }
                        let place = row * n + column
                        #expect(abs(Double(result[row, column]) - sum) < 1e-5 * max(1, Double(k).squareRoot()))
                        let stored = Double(rounded[place])
                        #expect(
                            abs(stored - Double(result[row, column])) <= Self.rounding(element) * abs(stored) + 1e-7)
                        let expected = stored * 0.5 * (1 + erf(stored / 2.0.squareRoot()))
                        #expect(
                            abs(Double(activated[place]) - expected) <= Self.rounding(element) * abs(expected)
                                + Self.cdfError(element) * max(1, abs(stored)))
                    }
                }
            }
        }
    }

    @Test(
        "each row times a factor of its own, before the residual is added", arguments: ElementType.allCases, shapes)
    func rowFactors(_ element: ElementType, shape: (Int, Int, Int)) {
        let (m, n, k) = shape
        forEachSet {
            let (a, b) = (Self.operand(m, k, element, seed: 1), Self.operand(n, k, element, seed: 2))
            func matrix(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
                Matrix(rows: rows, columns: columns, values: Self.operand(rows, columns, .float32, seed: seed).array)
            }
            let (bias, residual) = (matrix(1, n, seed: 3), matrix(m, n, seed: 4))
            let factors = matrix(1, m, seed: 5)
            factors[0, m / 2] = 0
            var product = MatrixProduct(a, .operand(b, transposed: true))
            let (plain, result) = (Matrix(rows: m, columns: n), Matrix(rows: m, columns: n))
            product.bias = bias
            product.result = plain
            Self.run(product, m: m, n: n, k: k)
            (product.residual, product.rowFactors, product.result) = (residual, factors, result)
            Self.run(product, m: m, n: n, k: k)
            for row in 0..<m {
                for column in 0..<n {
                    let expected =
                        Double(plain[row, column]) * Double(factors[0, row]) + Double(residual[row, column])
                    #expect(abs(Double(result[row, column]) - expected) <= 1e-6 * max(1, abs(expected)))
                }
            }
        }
    }

    @Test("the gradient before GELU, and GELU again", arguments: ElementType.allCases)
    func backward(_ element: ElementType) {
        let (m, n, k) = (13, 70, 20)
        forEachSet {
            let a = Self.operand(m, k, element, seed: 7)
            let b = Self.operand(k, n, element, seed: 8)
            let z = Self.operand(m, n, element, seed: 9)
            let (dZ, gelu) = (Self.operand(m, n, element, seed: 10), Self.operand(m, n, element, seed: 11))
            var product = MatrixProduct(a, .operand(b, transposed: false))
            product.geluInput = z
            product.gelu = gelu
            product.output = dZ
            Self.run(product, m: m, n: n, k: k)
            let (x, y, inputs) = (a.array, b.array, z.array)
            for row in 0..<m {
                for column in 0..<n {
                    let sum = (0..<k).reduce(0) { $0 + Double(x[row * k + $1]) * Double(y[$1 * n + column]) }
                    let input = Double(inputs[row * n + column])
                    let cdf = 0.5 * (1 + erf(input / 2.0.squareRoot()))
                    let slope = cdf + input * exp(-input * input / 2) / (2 * Double.pi).squareRoot()
                    let tolerance =
                        1e-5 + Self.rounding(element) * abs(sum * slope) + Self.slopeError(element) * abs(sum)
                    #expect(abs(Double(dZ.array[row * n + column]) - sum * slope) <= tolerance)
                    #expect(
                        abs(Double(gelu.array[row * n + column]) - input * cdf) <= Self.rounding(element)
                            * abs(input * cdf)
                            + Self.cdfError(element) * max(1, abs(input)))
                }
            }
        }
    }

    @Test("the gradient of a weight, and of its bias, is added or overwrites", arguments: ElementType.allCases, shapes)
    func weightGradient(_ element: ElementType, shape: (Int, Int, Int)) {
        let (m, n, k) = shape
        forEachSet {
            let dY = Self.operand(k, m, element, seed: 12)
            let x = Self.operand(k, n, element, seed: 13)
            let (a, b) = (dY.array, x.array)
            for adds in [false, true] {
                let result = Matrix(rows: m, columns: n)
                result.fill(0.25)
                let sums = Matrix(rows: 1, columns: m)
                sums.fill(0.5)
                var product = MatrixProduct(dY, transposeA: true, .operand(x, transposed: false))
                product.result = result
                product.residual = adds ? result : nil
                product.sumsOfA = sums
                Self.run(product, m: m, n: n, k: k)
                for row in 0..<m {
                    let total = (0..<k).reduce(0.5) { $0 + Double(a[$1 * m + row]) }
                    #expect(abs(Double(sums[0, row]) - total) < 1e-4)
                    for column in 0..<n {
                        let sum = (0..<k).reduce(adds ? 0.25 : 0) {
                            $0 + Double(a[$1 * m + row]) * Double(b[$1 * n + column])
                        }
                        #expect(abs(Double(result[row, column]) - sum) < 1e-5 * max(1, Double(k).squareRoot()))
                    }
                }
            }
        }
    }

    @Test("NaN and infinity reach the rows they belong to, and GELU keeps them", arguments: ElementType.allCases)
    func extremes(_ element: ElementType) {
        forEachSet {
            let bad: [Float] = [.nan, .infinity, -.infinity, 40, -40, 0]
            let a = MemoryPlan().operand(.batches, "a", rows: 6, columns: 1, element)
            a.convert(from: Matrix(rows: 6, columns: 1, values: bad))
            let b = MemoryPlan().operand(.batches, "b", rows: 1, columns: 1, element)
            b.convert(from: Matrix(rows: 1, columns: 1, values: [1]))
            let gelu = MemoryPlan().operand(.batches, "gelu", rows: 6, columns: 1, element)
            var product = MatrixProduct(a, .operand(b, transposed: false))
            let result = Matrix(rows: 6, columns: 1)
            product.result = result
            product.gelu = gelu
            Self.run(product, m: 6, n: 1, k: 1)
            let (v, g) = (result.array, gelu.array)
            #expect(v[0].isNaN && v[1] == .infinity && v[2] == -.infinity && v[3] == 40 && v[5] == 0)
            #expect(g[0].isNaN && g[1] == .infinity && g[2] == 0 && g[3] == 40 && abs(g[4]) < 1e-6 && g[5] == 0)
        }
    }

    @Test(
        "attention and its gradients", arguments: ElementType.allCases,
        [(2, 2, 0), (5, 3, 2), (13, 32, 0), (17, 64, 5), (50, 16, 0), (65, 8, 1), (197, 32, 0), (197, 32, 50)])
    func attention(_ element: ElementType, shape: (Int, Int, Int)) {
        // Tokens from `first` on ask.
        let (tokens, width, first) = shape
        forEachSet {
            let result = Self.runAttention(element, tokens: tokens, from: first, width: width, scale: 0.7)
            let expected = Self.attention(
                result.qkv.array, result.dOut.array, tokens: tokens, from: first, width: width, scale: 0.7)
            #expect(relativeError(result.out.array, expected.out) < Self.tolerance(element))
            for third in 0..<3 {
                let rows = third == 0 ? result.dQKV.rows(first..<tokens) : result.dQKV
                let gradient = rows.columns(third * width..<(third + 1) * width).array
                #expect(
                    relativeError(gradient, expected.gradients[third]) < Self.tolerance(element), "\(third)")
            }
        }
    }

    @Test("attention's gradients stay finite however large the scores are", arguments: ElementType.allCases)
    func attentionOfLargeScores(_ element: ElementType) {
        forEachSet {
            for scale in [1e4, 1e8, 1e9, 1e10, 1e12, 1e20] as [Float] {
                let result = Self.runAttention(element, tokens: 50, from: 0, width: 16, scale: scale)
                // Probabilities are at most 1: beyond them stands the scale, by which scores are multiplied.
                let bound = 100 * scale
                #expect(result.out.array.allSatisfy { $0.isFinite && abs($0) < 10 }, "\(scale)")
                #expect(result.dQKV.array.allSatisfy { $0.isFinite && abs($0) < bound }, "\(scale)")
            }
        }
    }

    /// Forward and backward of one head on random operands.
    private static func runAttention(
        _ element: ElementType, tokens: Int, from first: Int, width: Int, scale: Float
    ) -> (qkv: Operand, dOut: Operand, out: Operand, dQKV: Operand) {
        let queries = tokens - first
        let qkv = operand(tokens, 3 * width, element, seed: 14)
        let dOut = operand(queries, width, element, seed: 15)
        let out = operand(queries, width, element, seed: 16)
        let dQKV = operand(tokens, 3 * width, element, seed: 17)
        let logSums = Matrix(rows: 1, columns: queries)
        func part(_ operand: Operand, _ third: Int) -> UnsafeMutableRawPointer {
            unsafe operand.columns(third * width..<(third + 1) * width).pointer
        }
        var head = unsafe umae_attention()
        unsafe head.type = umae_type(element.kernelCode)
        unsafe (head.queries, head.tokens, head.width, head.scale) = (queries, tokens, width, scale)
        unsafe head.q = UnsafeRawPointer(part(qkv.rows(first..<tokens), 0))
        unsafe head.k = UnsafeRawPointer(part(qkv, 1))
        unsafe head.v = UnsafeRawPointer(part(qkv, 2))
        unsafe (head.stride, head.out, head.out_stride) = (qkv.stride, out.pointer, out.stride)
        unsafe (head.logsumexp, head.d_out) = (logSums.pointer, UnsafeRawPointer(dOut.pointer))
        unsafe (head.d_out_stride, head.d_stride) = (dOut.stride, dQKV.stride)
        unsafe (head.dq, head.dk, head.dv) = (part(dQKV.rows(first..<tokens), 0), part(dQKV, 1), part(dQKV, 2))
        let bytes = unsafe umae_attention_scratch(head.type, tokens, width, true)
        let scratch = ScratchMemory(bytes: bytes, name: "scratch", plan: MemoryPlan())
        unsafe umae_attention_forward(&head, scratch.pointer)
        unsafe umae_attention_backward(&head, scratch.pointer)
        return (qkv, dOut, out, dQKV)
    }

    /// The largest relative change by rounding to the type.
    private static func rounding(_ element: ElementType) -> Double { element == .float32 ? 1e-7 : 1.0 / 256 }
    /// Largest absolute errors of Φ and of GELU': exact to fp32, or polynomials where the result is rounded to bfloat16.
    private static func cdfError(_ element: ElementType) -> Double { element == .float32 ? 1e-6 : 2e-5 }
    private static func slopeError(_ element: ElementType) -> Double { element == .float32 ? 1e-6 : 2e-4 }
    /// Rounded scores and their gradients, a few of them in a row.
    private static func tolerance(_ element: ElementType) -> Double { element == .float32 ? 3e-6 : 1e-2 }

    /// softmax(scale·QKᵀ)·V for queries from `first` on, and the gradients of q, k and v, in double precision.
    private static func attention(
        _ qkv: [Float], _ dOut: [Float], tokens: Int, from first: Int, width: Int, scale: Double
    ) -> (out: [Double], gradients: [[Double]]) {
        func value(_ token: Int, _ third: Int, _ column: Int) -> Double {
            Double(qkv[token * 3 * width + third * width + column])
        }
        var out = [Double](repeating: 0, count: (tokens - first) * width)
        let zeros = [Double](repeating: 0, count: tokens * width)
        var gradients = [out, zeros, zeros]
        for query in 0..<tokens - first {
            let i = first + query
            let scores = (0..<tokens).map { j in
                (0..<width).reduce(0) { $0 + scale * value(i, 0, $1) * value(j, 1, $1) }
            }
            let top = scores.max() ?? 0
            let total = scores.reduce(0) { $0 + exp($1 - top) }
            let p = scores.map { exp($0 - top) / total }
            let dP = (0..<tokens).map { j in
                (0..<width).reduce(0) { $0 + Double(dOut[query * width + $1]) * value(j, 2, $1) }
            }
            let dot = zip(p, dP).reduce(0) { $0 + $1.0 * $1.1 }
            for j in 0..<tokens {
                let dS = scale * p[j] * (dP[j] - dot)
                for c in 0..<width {
                    out[query * width + c] += p[j] * value(j, 2, c)
                    gradients[0][query * width + c] += dS * value(j, 1, c)
                    gradients[1][j * width + c] += dS * value(i, 0, c)
                    gradients[2][j * width + c] += p[j] * Double(dOut[query * width + c])
                }
            }
        }
        return (out, gradients)
    }
}
