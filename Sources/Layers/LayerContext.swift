package import Tensors
internal import CVectorKernels

/// What every layer needs to run: the rank's threads and their scratch memory.
package final class LayerContext: Sendable {
    package let team: Team
    /// Per thread: two rows of the widest activation, for sums over rows.
    private let columnSums: Matrix
    /// Per thread: two [T, T] score matrices.
    let scores: Matrix

    /// - Parameters:
    ///   - maximumWidth: columns of the widest activation.
    ///   - maximumTokens: T, tokens of the longest sequence.
    package init(team: Team, maximumWidth: Int, maximumTokens: Int, plan: MemoryPlan) {
        self.team = team
        columnSums = plan.matrix(.workspace, "sums over rows", rows: 2 * team.count, columns: maximumWidth)
        scores = plan.matrix(
            .workspace, "attention scores", rows: 2 * team.count, columns: maximumTokens * maximumTokens)
    }

    /// Divides `rows` among the threads; each gets rows of its own to add column sums to, which are then added to
    /// `first` and `second` in thread order.
    package func forEachChunk(
        ofRows rows: Int, summingInto first: Matrix, _ second: Matrix? = nil,
        _ body: (Range<Int>, Matrix, Matrix) -> Void
    ) {
        guard team.count > 1 && rows > 1 else { return body(0..<rows, first, second ?? first) }
        let width = first.count
        team.run { thread in
            let sums = columnSums.rows(2 * thread..<2 * thread + 2).columns(0..<width)
            sums.fill(0)
            let range = team.chunk(thread, of: rows)
            if !range.isEmpty { body(range, sums.rows(0..<1), sums.rows(1..<2)) }
        }
        for thread in 0..<team.count {
            unsafe umae_add(columnSums.rows(2 * thread..<2 * thread + 1).pointer, first.pointer, width)
            if let second {
                unsafe umae_add(columnSums.rows(2 * thread + 1..<2 * thread + 2).pointer, second.pointer, width)
            }
        }
    }
}
