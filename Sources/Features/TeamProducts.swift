package import Tensors

/// Products of matrices by all threads of a team, with memory for them.
package final class TeamProducts {
    package let team: Team
    private var scratch: [ScratchMemory] = []
    private var bytes = 0

    package init(_ team: Team) { self.team = team }

    /// C = A·B, or with A or B transposed, plus `bias` [1, N]; or added to what is there.
    package func multiply(
        _ a: Matrix, transposeA: Bool = false, _ b: Matrix, transposeB: Bool = false, bias: Matrix? = nil,
        into result: Matrix, adding: Bool = false
    ) {
        guard result.rows > 0 && result.columns > 0 else { return }
        let inner = transposeA ? a.rows : a.columns
        guard inner > 0 else { return adding ? () : result.clear() }
        let needed = ScratchMemory.bytes(
            forProduct: .float32, m: result.rows, n: result.columns, k: inner, transposeA: transposeA)
        if scratch.isEmpty || needed > bytes {
            let plan = MemoryPlan()
            bytes = needed
            scratch = (0..<team.count).map { ScratchMemory(bytes: needed, name: "scratch of thread \($0)", plan: plan) }
        }
        var product = MatrixProduct(a, transposeA: transposeA, b, transposeB: transposeB, into: result)
        product.bias = bias
        product.residual = adding ? result : nil
        team.run { [scratch, product] in product.run(by: $0, scratch: scratch[$0.index]) }
    }
}
