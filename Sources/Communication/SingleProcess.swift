package import Host
package import Tensors

/// The world of one process: nothing is sent, and this type never starts MPI.
package final class SingleProcess: Communicator {
    package let rank = 0
    package let size = 1
    package let localSize = 1

    private let neighbors: (any Communicator)?

    /// - Parameter neighbors: ranks each of which is a single process of its own, and makes the same calls. Figures that
    ///   ranks would add up are added up when all have come to that point, as if they were ranks of one run.
    package init(inStepWith neighbors: (any Communicator)? = nil) { self.neighbors = neighbors }

    package func allReduce(_ values: inout [Double], _ reduction: Reduction) throws(CommunicationError) {
        try neighbors?.barrier()
    }
    package func startAllReduce(send: Matrix, receive: Matrix, in slot: CollectiveSlot) { copy(send, to: receive) }
    package func startAllReduce(send: MatrixView<Double>, receive: MatrixView<Double>, in slot: CollectiveSlot) {
        copy(send, to: receive)
    }
    package func startAllGather(_ rows: Matrix, into all: Matrix, in slot: CollectiveSlot) {
        if rows.storage !== all.storage { all.copy(from: rows) }
    }
    package func startAllToAll(
        send: Operand, _ sendParts: RankParts, receive: Operand, _ receiveParts: RankParts, in slot: CollectiveSlot
    ) { receive.copy(from: send) }
    package func startAllGather(_ values: Operand, _ parts: RankParts, in slot: CollectiveSlot) {}
    package func allGather(_ rows: Matrix, rowCounts: [Int], into all: Matrix) { all.copy(from: rows) }
    package func allGather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
    package func broadcast(_ values: Matrix, from root: Int) {}
    package func barrier() {}
    /// Alone with it, but apart from the files that it is made of.
    package func hostShare() -> HostShare? { HostShare() }
    /// A rank that measures by itself is still watched as one of its neighbours.
    package var table: HostTable? { neighbors?.table }

    private func copy<Element>(_ values: MatrixView<Element>, to result: MatrixView<Element>) {
        if values.storage !== result.storage || values.offset != result.offset { result.copy(from: values) }
    }
}
