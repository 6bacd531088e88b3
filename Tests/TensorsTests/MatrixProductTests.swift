import Synchronization
import Tensors
import Testing

@Suite("Matrix products and threads")
struct MatrixProductTests {
    @Test("all transposes, addition and views, on teams of 1 to 3", arguments: [1, 2, 3], [(5, 7, 3), (40, 133, 17)])
    func products(threads: Int, shape: (Int, Int, Int)) throws {
        let (m, n, k) = shape
        let team = try Team(threads: threads)
        let factors = Self.random(1, m, 4)
        for (transposeA, transposeB, hasFactors) in [
            (false, false, false), (true, false, false), (false, true, false), (true, true, false),
            (false, false, true), (false, true, true),
        ] {
            // Views into wider storage.
            let a = Self.random(transposeA ? k : m, transposeA ? m : k, 1)
            let b = Self.random(transposeB ? n : k, transposeB ? k : n, 2)
            let c = Self.random(m, n, 3)
            let sums = Matrix(rows: 1, columns: m)
            let before = c.array
            var product = MatrixProduct(a, transposeA: transposeA, b, transposeB: transposeB, into: c)
            product.residual = c
            product.rowFactors = hasFactors ? factors : nil
            product.sumsOfA = transposeA ? sums : nil
            let bytes = ScratchMemory.bytes(forProduct: .float32, m: m, n: n, k: k, transposeA: transposeA)
            let scratch = (0..<threads).map { _ in ScratchMemory(bytes: bytes, name: "scratch", plan: MemoryPlan()) }
            team.run { product.run(by: $0, scratch: scratch[$0.index]) }
            for row in 0..<m {
                if transposeA {
                    let expected = (0..<k).reduce(0) { $0 + Double(a[$1, row]) }
                    #expect(abs(Double(sums[0, row]) - expected) < 1e-5)
                }
                for column in 0..<n {
                    var sum = 0.0
                    for index in 0..<k {
                        let x = transposeA ? a[index, row] : a[row, index]
                        let y = transposeB ? b[column, index] : b[index, column]
                        sum += Double(x) * Double(y)
                    }
                    let expected = Double(before[row * n + column]) + sum * (hasFactors ? Double(factors[0, row]) : 1)
                    #expect(abs(Double(c[row, column]) - expected) < 1e-5)
                }
            }
        }
    }

    private static func random(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Matrix {
        let wide = Matrix(rows: rows, columns: columns + 5)
        var generator = SampleRandom(seed: seed, epoch: 0, sample: 0, purpose: .initialization)
        for row in 0..<rows {
            for column in 0..<wide.columns { wide[row, column] = Float(generator.uniform(-1, 1)) }
        }
        return wide.columns(2..<columns + 2)
    }

    @Test("a team covers every row once, job after job", arguments: [1, 2, 3, 5])
    func team(threads: Int) throws {
        let team = try Team(threads: threads)
        let visits = MatrixView<Int>(rows: 1, columns: 101)
        for round in 1...600 {
            team.run { member in
                member.forEachChunk(of: 101, multipleOf: 4) { range in
                    for index in range { visits[0, index] += 1 }
                }
            }
            if round % 200 == 0 { #expect(visits.array.allSatisfy { $0 == round }) }
        }
    }

    @Test("views share their storage and keep their bounds")
    func views() {
        let matrix = Matrix(rows: 6, columns: 4, values: (0..<24).map(Float.init))
        #expect(matrix.rows(1..<3).columns(2..<4).array == [6, 7, 10, 11])
        #expect(matrix.everyRow(from: 1, step: 2).columns(0..<1).array == [4, 12, 20])
        matrix.rows(5..<6).fill(-1)
        #expect(matrix[5, 3] == -1 && matrix[4, 3] == 19)
        #expect(matrix.reshaped(rows: 3, columns: 8)[1, 0] == 8)
    }
}
