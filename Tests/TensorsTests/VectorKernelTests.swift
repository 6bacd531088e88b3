import CVectorKernels
import Foundation
import Tensors
import Testing

/// Each kernel against a double-precision formula, at lengths around the vector width and at unaligned addresses, for
/// every instruction set this machine has.
@Suite("Vector kernels")
struct VectorKernelTests {
    static let sets = [UMAE_ISA_BASELINE, UMAE_ISA_AVX2, UMAE_ISA_AVX512, UMAE_ISA_AVX512_BF16].filter {
        umae_cpu_supports($0)
    }
    static let widths = [1, 2, 15, 16, 17, 31, 32, 33, 64, 100]

    /// Runs `body` for every instruction set and width, with inputs that start one element off any alignment.
    private func forEach(_ body: (Int, (UInt64) -> Matrix) throws -> Void) rethrows {
        let best = umae_kernels_isa()
        defer { umae_kernels_select(best) }
        for set in Self.sets {
            #expect(umae_kernels_select(set))
            for width in Self.widths {
                try body(width) { seed in
                    let wide = Matrix(rows: 3, columns: width + 3)
                    var random = SampleRandom(seed: seed, epoch: 0, sample: width, purpose: .initialization)
                    for row in 0..<3 {
                        for column in 0..<wide.columns { wide[row, column] = Float(random.uniform(-3, 3)) }
                    }
                    return wide.columns(1..<width + 1)
                }
            }
        }
    }

    private func close(_ value: Float, _ expected: Double, _ tolerance: Double = 3e-6) -> Bool {
        abs(Double(value) - expected) <= tolerance * max(1, abs(expected))
    }

    private func contiguous(_ matrix: Matrix) -> Matrix {
        Matrix(rows: matrix.rows, columns: matrix.columns, values: matrix.array)
    }

    @Test("layer norm and its backward")
    func layerNorm() {
        forEach { width, make in
            let (x, dY) = (make(6), make(7))
            let (gamma, beta) = (make(8).rows(0..<1).array, make(9).rows(0..<1).array)
            let y = make(10)
            let normalized = make(18)
            let rstd = Matrix(rows: 1, columns: 3)
            unsafe umae_layernorm_forward(
                UMAE_F32, x.pointer, x.stride, gamma, beta, y.pointer, y.stride, normalized.pointer, normalized.stride,
                rstd.pointer, 3, width, 1e-2)
            let dX = make(11)
            let before = dX.array
            func row(_ values: [Float]) -> Matrix { Matrix(rows: 1, columns: width, values: values) }
            let (weight, bias) = (row(gamma), row(beta))
            let (gammaSums, betaSums) = (Matrix(rows: 1, columns: width), Matrix(rows: 1, columns: width))
            gammaSums.fill(1)
            betaSums.fill(2)
            let (copy, again) = (Matrix(rows: 3, columns: width), Matrix(rows: 3, columns: width))
            var p = unsafe umae_layernorm_gradient()
            unsafe (p.type, p.rows, p.width) = (UMAE_F32, 3, width)
            unsafe (p.dy, p.dy_stride) = (UnsafeRawPointer(dY.pointer), dY.stride)
            unsafe (p.hat, p.hat_stride) = (UnsafeRawPointer(normalized.pointer), normalized.stride)
            unsafe (p.rstd, p.gamma) = (UnsafePointer(rstd.pointer), UnsafePointer(weight.pointer))
            unsafe (p.beta, p.dx) = (UnsafePointer(bias.pointer), dX.pointer)
            unsafe (p.dx_stride, p.accumulate) = (dX.stride, true)
            unsafe (p.copy, p.copy_stride) = (UnsafeMutableRawPointer(copy.pointer), copy.stride)
            unsafe (p.y, p.y_stride) = (UnsafeMutableRawPointer(again.pointer), again.stride)
            unsafe (p.dgamma, p.dbeta) = (gammaSums.pointer, betaSums.pointer)
            unsafe umae_layernorm_backward(&p)
            let (dGamma, dBeta) = (gammaSums.array, betaSums.array)
            #expect(copy.array == dX.array && again.array == y.array)
            // A copy whose rows have factors.
            let (factors, other) = ([2.5, 0, -1] as [Float], contiguous(dX))
            unsafe factors.withUnsafeBufferPointer { factors in
                unsafe (p.copy_scale, p.dx, p.dx_stride) = (factors.baseAddress, other.pointer, other.stride)
                unsafe umae_layernorm_backward(&p)
            }
            #expect(copy.array == (0..<3).flatMap { row in (0..<width).map { factors[row] * other[row, $0] } })
            var (sumGamma, sumBeta) = ([Double](repeating: 1, count: width), [Double](repeating: 2, count: width))
            for row in 0..<3 {
                let values = (0..<width).map { Double(x[row, $0]) }
                let average = values.reduce(0, +) / Double(width)
                let variance = values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(width)
                let scale = 1 / (variance + 1e-2).squareRoot()
                let hat = values.map { ($0 - average) * scale }
                let g = (0..<width).map { Double(dY[row, $0]) * Double(gamma[$0]) }
                let meanG = g.reduce(0, +) / Double(width)
                let meanGX = zip(g, hat).reduce(0) { $0 + $1.0 * $1.1 } / Double(width)
                for column in 0..<width {
                    #expect(close(y[row, column], hat[column] * Double(gamma[column]) + Double(beta[column]), 1e-5))
                    let slope = scale * (g[column] - meanG - hat[column] * meanGX)
                    #expect(close(dX[row, column], Double(before[row * width + column]) + slope, 2e-5))
                    sumGamma[column] += Double(dY[row, column]) * hat[column]
                    sumBeta[column] += Double(dY[row, column])
                }
            }
            for column in 0..<width {
                #expect(close(dGamma[column], sumGamma[column], 1e-5) && close(dBeta[column], sumBeta[column]))
            }
        }
    }

    @Test("L2 normalisation and its backward")
    func normalize() {
        forEach { width, make in
            let x = make(12)
            let (y, dX) = (Matrix(rows: 3, columns: width), Matrix(rows: 3, columns: width))
            let dY = contiguous(make(13))
            var norms = [Float](repeating: 0, count: 3)
            unsafe umae_l2_normalize_forward(x.pointer, x.stride, y.pointer, width, &norms, 3, width, 1e-12)
            unsafe umae_l2_normalize_backward(dY.pointer, y.pointer, norms, dX.pointer, 3, width, 1e-12)
            for row in 0..<3 {
                let values = (0..<width).map { Double(x[row, $0]) }
                let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
                let dot = (0..<width).reduce(0) { $0 + values[$1] / norm * Double(dY[row, $1]) }
                for column in 0..<width {
                    #expect(close(y[row, column], values[column] / norm))
                    let slope = (Double(dY[row, column]) - values[column] / norm * dot) / norm
                    // Rows shorter than a tenth amplify rounding by their reciprocal.
                    #expect(abs(Double(dX[row, column]) - slope) < 1e-5 * max(1, 1 / norm))
                }
            }
        }
    }

    @Test("pixel loss with normalised targets and unbiased variance", arguments: [false, true])
    func pixelLoss(normalize: Bool) {
        forEach { width, make in
            guard width > 1 || !normalize else { return }
            let prediction = make(14)
            let target = contiguous(make(15))
            let gradient = make(16)
            let loss = unsafe umae_pixel_loss(
                UMAE_F32, prediction.pointer, prediction.stride, target.pointer, gradient.pointer, gradient.stride, 3,
                width, normalize, 0.25)
            var expected = 0.0
            for row in 0..<3 {
                var values = (0..<width).map { Double(target[row, $0]) }
                if normalize {
                    let mean = values.reduce(0, +) / Double(width)
                    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width - 1)
                    values = values.map { ($0 - mean) / (variance + 1e-6).squareRoot() }
                }
                for column in 0..<width {
                    let error = Double(prediction[row, column]) - values[column]
                    expected += error * error / Double(width)
                    #expect(close(gradient[row, column], 0.25 * 2 * error / Double(width), 1e-5))
                }
            }
            #expect(abs(loss - expected) < 1e-5 * max(1, expected))
        }
    }

    @Test("sums, additions and gathered rows")
    func rows() {
        forEach { width, make in
            let x = make(17)
            var sums = [Float](repeating: 1, count: width)
            unsafe umae_column_sums(UMAE_F32, x.pointer, x.stride, &sums, 3, width)
            for column in 0..<width {
                #expect(close(sums[column], 1 + (0..<3).reduce(0) { $0 + Double(x[$1, column]) }))
            }
            let row = x.rows(0..<1)
            let squares = row.array.reduce(0) { $0 + Double($1) * Double($1) }
            #expect(abs(unsafe umae_sum_of_squares(row.pointer, width) - squares) < 1e-5 * max(1, squares))
            let out = Matrix(rows: 3, columns: width)
            let table = contiguous(make(18))
            unsafe umae_add_table_rows(out.pointer, width, x.pointer, x.stride, table.pointer, [1, 0, 2], 3, width)
            for column in 0..<width {
                for (row, index) in [1, 0, 2].enumerated() {
                    #expect(out[row, column] == x[row, column] + table[index, column])
                }
            }
            unsafe umae_add_table_rows(out.pointer, width, x.pointer, 0, table.pointer, nil, 3, width)
            for column in 0..<width {
                for row in 0..<3 { #expect(out[row, column] == x[0, column] + table[row, column]) }
            }
        }
    }

    @Test("patches in both orders")
    func patches() {
        let (channels, height, width, patch) = (2, 4, 6, 2)
        let image = (0..<channels * height * width).map(Float.init)
        var rows = [Float](repeating: 0, count: image.count)
        unsafe umae_gather_patches(image, channels, height, width, patch, nil, 6, true, &rows, 8)
        // Patch 4 (second row, second column), pixel (1, 0): row 3, column 2, both channels.
        #expect(rows[4 * 8 + 4] == 3 * 6 + 2 && rows[4 * 8 + 5] == 24 + 3 * 6 + 2)
        unsafe umae_gather_patches(image, channels, height, width, patch, [4], 1, false, &rows, 8)
        #expect(Array(rows[0..<8]) == [14, 15, 20, 21, 38, 39, 44, 45])
    }

    @Test(
        "terms are added in a tree whose bits do not depend on who owns which", arguments: [1, 2, 3, 4, 7, 8, 16, 33])
    func sumOfTerms(terms: Int) {
        /// Neighbours in pairs, the pairs in pairs.
        func tree(_ values: [Float]) -> Float {
            var level = values
            while level.count > 1 {
                level = stride(from: 0, to: level.count, by: 2).map {
                    $0 + 1 < level.count ? level[$0] + level[$0 + 1] : level[$0]
                }
            }
            return level[0]
        }
        forEach { width, _ in
            for type in [ElementType.float32, .bfloat16] {
                var random = SampleRandom(seed: 31, epoch: 0, sample: width, purpose: .initialization)
                let all = Matrix(rows: terms, columns: width)
                for row in 0..<terms {
                    for column in 0..<width { all[row, column] = Float(random.uniform(-3, 3)) }
                }
                let wide = MemoryPlan().operand(.workspace, "terms", rows: terms, columns: width, type)
                wide.convert(from: all)
                let rounded = wide.array
                for own in Set([0, terms / 2, terms - 1]) {
                    let others = MemoryPlan().operand(
                        .workspace, "others", rows: max(terms - 1, 1), columns: width + 5, type)
                    for (place, row) in (0..<terms).filter({ $0 != own }).enumerated() {
                        others.rows(place..<place + 1).columns(0..<width).copy(from: wide.rows(row..<row + 1))
                    }
                    let mine = Matrix(rows: 1, columns: width + 1).columns(1..<width + 1)
                    mine.copy(from: all.rows(own..<own + 1))
                    unsafe umae_sum_terms(
                        umae_type(type.kernelCode), others.pointer, others.stride, mine.pointer, own, terms,
                        mine.pointer, width)
                    for column in 0..<width {
                        let values = (0..<terms).map { $0 == own ? all[$0, column] : rounded[$0 * width + column] }
                        // The pairs of an odd number of terms: what is left over waits for the end, as in the kernel.
                        if terms.nonzeroBitCount == 1 {
                            #expect(mine[0, column].bitPattern == tree(values).bitPattern)
                        } else {
                            let exact = values.reduce(0.0) { $0 + Double($1) }
                            #expect(close(mine[0, column], exact, 1e-5))
                        }
                    }
                }
                let back = Matrix(rows: 1, columns: width + 1).columns(1..<width + 1)
                wide.rows(0..<1).widen(into: back)
                #expect(back.array == Array(rounded[..<width]))
            }
        }
    }

    @Test("bfloat16 rounds to nearest, ties to even, and keeps NaN and infinities")
    func rounding() {
        forEach { width, _ in
            var random = SampleRandom(seed: 20, epoch: 0, sample: width, purpose: .initialization)
            var values: [Float] = (0..<width).map { _ in Float(random.uniform(-1, 1)) * 1e3 }
            // Halfway between two neighbours: once to the lower, once to the upper.
            values[0] = Float(bitPattern: 0x3f80_8000)
            values[width - 1] = Float(bitPattern: 0x3f81_8000)
            let rounded = Operand(bits: MatrixView<UInt16>(rows: 1, columns: width))
            rounded.convert(from: Matrix(rows: 1, columns: width, values: values))
            for (value, result) in zip(values, rounded.array) {
                let upper = value.bitPattern >> 16
                let rest = value.bitPattern & 0xffff
                let up = rest > 0x8000 || (rest == 0x8000 && upper & 1 == 1)
                #expect(result.bitPattern == (upper + (up ? 1 : 0)) << 16)
            }
            let extremes: [Float] = [.nan, .infinity, -.infinity, 0, -0.0]
            let row = Operand(bits: MatrixView<UInt16>(rows: 1, columns: 5))
            row.convert(from: Matrix(rows: 1, columns: 5, values: extremes))
            let kept = row.array
            #expect(kept[0].isNaN && kept[1] == .infinity && kept[2] == -.infinity && kept[3] == 0)
            #expect(kept[4].sign == .minus)
        }
    }
}
