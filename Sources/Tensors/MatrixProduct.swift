internal import CVectorKernels

/// C = A·B and what follows it, while the result is in the cache: bias, residual, GELU, conversion.
///
/// v = (A·B + bias)·rowFactors + residual; with `geluInput` z, v = v·GELU'(z). v goes to `result` and, rounded, to `output`;
/// `gelu` gets GELU(v), or GELU(z) if there is a z. M, N, K: v is [M, N], the sum runs over K.
package struct MatrixProduct {
    package enum Factor {
        /// [K, N], or [N, K] if transposed.
        case operand(Operand, transposed: Bool)
        case packed(PackedOperand)
    }

    /// [M, K], or [K, M] if transposed.
    package var a: Operand
    package var transposeA: Bool
    package var b: Factor
    /// [1, N]
    package var bias: Matrix?
    /// [1, M]: what each row is multiplied with before the residual is added.
    package var rowFactors: Matrix?
    /// [M, N]; may be `result`, which is then added to.
    package var residual: Matrix?
    package var result: Matrix?
    package var output: Operand?
    package var geluInput: Operand?
    package var gelu: Operand?
    /// [1, M]: the sums over the rows of A [K, M] are added to it; only where A is transposed.
    package var sumsOfA: Matrix?

    package init(_ a: Operand, transposeA: Bool = false, _ b: Factor) {
        self.a = a
        self.transposeA = transposeA
        self.b = b
    }

    package init(_ a: Matrix, transposeA: Bool = false, _ b: Matrix, transposeB: Bool = false, into result: Matrix) {
        self.init(Operand(a), transposeA: transposeA, .operand(Operand(b), transposed: transposeB))
        self.result = result
    }

    private var m: Int { transposeA ? a.columns : a.rows }
    private var k: Int { transposeA ? a.rows : a.columns }
    private var n: Int {
        switch b {
        case .operand(let b, let transposed): transposed ? b.rows : b.columns
        case .packed(let b): b.columns
        }
    }

    /// Computes the part of `member`, and waits for the others. `scratch` is the member's own.
    package func run(by member: TeamMember, scratch: ScratchMemory) {
        // The longer side of C is divided.
        if m >= n {
            member.forEachPiece(of: m, multipleOf: 6) { multiply(rows: $0, columns: 0..<n, sums: true, scratch) }
        } else {
            member.forEachPiece(of: n, multipleOf: 64) {
                multiply(rows: 0..<m, columns: $0, sums: $0.lowerBound == 0, scratch)
            }
        }
    }

    private func multiply(rows: Range<Int>, columns: Range<Int>, sums: Bool, _ scratch: ScratchMemory) {
        var p = unsafe umae_product()
        unsafe p.type = umae_type(a.element.kernelCode)
        unsafe (p.m, p.n, p.k) = (rows.count, columns.count, k)
        let part = transposeA ? a.columns(rows) : a.rows(rows)
        unsafe (p.a, p.a_stride, p.a_transposed) = (UnsafeRawPointer(part.pointer), part.stride, transposeA)
        switch b {
        case .operand(let b, let transposed):
            precondition(b.element == a.element && (transposed ? b.columns : b.rows) == k)
            let part = transposed ? b.rows(columns) : b.columns(columns)
            unsafe (p.b, p.b_stride, p.b_transposed) = (UnsafeRawPointer(part.pointer), part.stride, transposed)
        case .packed(let b):
            precondition(b.element == a.element && b.rows == k)
            unsafe (p.b, p.b_packed) = (b.pointer(toColumn: columns.lowerBound), true)
        }
        if let bias { unsafe p.bias = UnsafePointer(bias.columns(columns).pointer) }
        if let rowFactors {
            precondition(rowFactors.count == m)
            unsafe p.row_scale = UnsafePointer(rowFactors.columns(rows).pointer)
        }
        if let residual {
            let part = residual.rows(rows).columns(columns)
            unsafe (p.residual, p.residual_stride) = (UnsafePointer(part.pointer), part.stride)
        }
        if let result {
            let part = result.rows(rows).columns(columns)
            unsafe (p.c, p.c_stride) = (part.pointer, part.stride)
        }
        if let output {
            let part = output.rows(rows).columns(columns)
            precondition(part.element == a.element)
            unsafe (p.y, p.y_stride) = (part.pointer, part.stride)
        }
        if let geluInput {
            let part = geluInput.rows(rows).columns(columns)
            precondition(part.element == a.element)
            unsafe (p.z, p.z_stride) = (UnsafeRawPointer(part.pointer), part.stride)
        }
        if let gelu {
            let part = gelu.rows(rows).columns(columns)
            precondition(part.element == a.element)
            unsafe (p.g, p.g_stride) = (part.pointer, part.stride)
        }
        if sums, let sumsOfA { unsafe p.a_sums = sumsOfA.columns(rows).pointer }
        unsafe scratch.require(umae_multiply_scratch(&p))
        unsafe umae_multiply(&p, scratch.pointer)
    }
}

/// One thread's memory for what an operation needs only while it runs.
package struct ScratchMemory: Sendable {
    private let units: Matrix

    package init(bytes: Int, name: String, plan: MemoryPlan) {
        units = plan.matrix(.workspace, name, rows: 1, columns: (bytes + 3) / 4)
    }

    /// Aligned to a cache line.
    package var pointer: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(units.pointer) }

    /// The memory as one row of floats.
    package func row(of columns: Int) -> Matrix {
        require(columns * MemoryLayout<Float>.stride)
        return units.columns(0..<columns)
    }

    package func require(_ bytes: Int) {
        precondition(bytes <= units.byteCount, "scratch memory of \(units.byteCount) bytes, \(bytes) needed")
    }

    /// What a product of these sizes needs; a packed B needs no more.
    package static func bytes(forProduct element: ElementType, m: Int, n: Int, k: Int, transposeA: Bool) -> Int {
        var p = unsafe umae_product()
        unsafe p.type = umae_type(element.kernelCode)
        unsafe (p.m, p.n, p.k, p.a_transposed) = (m, n, k, transposeA)
        return unsafe umae_multiply_scratch(&p)
    }
}
