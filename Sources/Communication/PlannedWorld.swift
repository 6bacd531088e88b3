package import Tensors

/// Ranks that are only thought of: a step can be laid out as one of them would hold it, and nothing can be sent.
package final class PlannedWorld: Communicator {
    package let rank = 0
    package let size: Int
    package let localSize: Int

    package init(size: Int, localSize: Int) {
        precondition(localSize >= 1 && localSize <= size)
        self.size = size
        self.localSize = localSize
    }

    package func allReduce(_ values: inout [Double], _ reduction: Reduction) throws(CommunicationError) {
        throw refusal("MPI_Allreduce")
    }
    package func startAllReduce(
        send: Matrix, receive: Matrix, in slot: CollectiveSlot
    ) throws(CommunicationError) { throw refusal("MPI_Iallreduce") }
    package func startAllReduce(
        send: MatrixView<Double>, receive: MatrixView<Double>, in slot: CollectiveSlot
    ) throws(CommunicationError) { throw refusal("MPI_Iallreduce") }
    package func startAllGather(
        _ rows: Matrix, into all: Matrix, in slot: CollectiveSlot
    ) throws(CommunicationError) { throw refusal("MPI_Iallgather") }
    package func allGather(_ rows: Matrix, rowCounts: [Int], into all: Matrix) throws(CommunicationError) {
        throw refusal("MPI_Allgatherv")
    }
    package func allGather(_ bytes: [UInt8]) throws(CommunicationError) -> [[UInt8]] {
        throw refusal("MPI_Allgather")
    }
    package func startAllToAll(
        send: Operand, _ sendParts: RankParts, receive: Operand, _ receiveParts: RankParts, in slot: CollectiveSlot
    ) throws(CommunicationError) { throw refusal("MPI_Ialltoallv") }
    package func startAllGather(
        _ values: Operand, _ parts: RankParts, in slot: CollectiveSlot
    ) throws(CommunicationError) { throw refusal("MPI_Iallgatherv") }
    package func broadcast(_ values: Matrix, from root: Int) throws(CommunicationError) {
        throw refusal("MPI_Bcast")
    }
    package func barrier() throws(CommunicationError) { throw refusal("MPI_Barrier") }

    private func refusal(_ call: String) -> CommunicationError {
        CommunicationError(call: call, reason: "the other \(size - 1) ranks are only planned", rank: rank)
    }
}
