package import Tensors
internal import CVectorKernels

/// What every layer needs to run: the thread it runs on, and that thread's scratch memory.
///
/// Layers are called by every member of a team at once, each with its own context.
package struct LayerContext: Sendable {
    package let member: TeamMember
    package let scratch: ScratchMemory
    /// Whether weight gradients are added to what is there, as they are from the second micro-batch of an update on.
    package var addsToWeightGradients = true
    /// Two rows for each block of rows that is summed by itself.
    private let columnSums: Matrix

    /// A context for each member of `team`.
    ///
    /// - Parameters:
    ///   - maximumWidth: columns of the widest activation.
    ///   - scratchBytes: what the most demanding operation needs on one thread.
    package static func makeAll(team: Team, maximumWidth: Int, scratchBytes: Int, plan: MemoryPlan) -> [LayerContext] {
        let sums = plan.matrix(.workspace, "sums over rows", rows: 2 * mostBlocks, columns: maximumWidth)
        return (0..<team.count).map { index in
            LayerContext(
                member: TeamMember(team: team, index: index),
                scratch: ScratchMemory(bytes: scratchBytes, name: "scratch of thread \(index)", plan: plan),
                columnSums: sums)
        }
    }

    private init(member: TeamMember, scratch: ScratchMemory, columnSums: Matrix) {
        self.member = member
        self.scratch = scratch
        self.columnSums = columnSums
    }

    package func forEachChunk(of total: Int, _ body: (Range<Int>) -> Void) {
        member.forEachChunk(of: total, body)
    }

    /// Sums are formed in at most so many blocks, however many threads there are, so that these change no bit.
    private static var mostBlocks: Int { 32 }
    private static var fewestRows: Int { 8 }

    /// Divides `rows` into blocks and these among the threads; each block gets rows of its own to add column sums to,
    /// which are then added to `first` and `second` in order.
    package func forEachChunk(
        ofRows rows: Int, summingInto first: Matrix, _ second: Matrix? = nil,
        _ body: (Range<Int>, Matrix, Matrix) -> Void
    ) {
        let size = max((rows + Self.mostBlocks - 1) / Self.mostBlocks, Self.fewestRows)
        let count = (rows + size - 1) / size
        let width = first.count
        member.forEachPiece(of: count) { blocks in
            for block in blocks {
                let own = sums(of: block, width)
                own.fill(0)
                body(block * size..<min((block + 1) * size, rows), own.rows(0..<1), own.rows(1..<2))
            }
        }
        member.serially {
            for index in 0..<count {
                unsafe umae_add(sums(of: index, width).pointer, first.pointer, width)
                if let second { unsafe umae_add(sums(of: index, width).rows(1..<2).pointer, second.pointer, width) }
            }
        }
    }

    private func sums(of index: Int, _ width: Int) -> Matrix {
        columnSums.rows(2 * index..<2 * index + 2).columns(0..<width)
    }
}

extension ElementType {
    var kernel: umae_type { umae_type(kernelCode) }
}
