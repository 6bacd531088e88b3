package import Host
package import Tensors

/// How values of all ranks are combined.
package enum Reduction: Sendable {
    case sum, minimum, maximum
}

/// The ranks of one run and the messages between them.
///
/// Messages are collective: each rank must call them, in the same order, with the same counts. Implementations are the MPI
/// world (`MPIWorld`), a single process that never starts MPI (`SingleProcess`), and ranks that are only planned
/// (`PlannedWorld`); tests have ranks that are threads of one process (`InProcessWorld`).
package protocol Communicator: RunControl {
    var rank: Int { get }
    var size: Int { get }
    /// How many ranks are on this host.
    var localSize: Int { get }
    /// How all ranks lie on hosts.
    var hostLayout: HostLayout { get }

    /// Replaces `values` by their reduction over the ranks.
    func allReduce(_ values: inout [Double], _ reduction: Reduction) throws(CommunicationError)
    /// Starts summing `send` over the ranks into `receive`; both stay untouched until `slot` is done.
    func startAllReduce(send: Matrix, receive: Matrix, in slot: CollectiveSlot) throws(CommunicationError)
    func startAllReduce(
        send: MatrixView<Double>, receive: MatrixView<Double>, in slot: CollectiveSlot
    ) throws(CommunicationError)
    /// Starts stacking every rank's rows, all of one number, in rank order into `all`, as `startAllReduce`.
    func startAllGather(_ rows: Matrix, into all: Matrix, in slot: CollectiveSlot) throws(CommunicationError)
    /// Starts sending the parts of `send` to their ranks; what ranks send to this one lands in its part of `receive`. As
    /// `startAllReduce`.
    func startAllToAll(
        send: Operand, _ sendParts: RankParts, receive: Operand, _ receiveParts: RankParts, in slot: CollectiveSlot
    ) throws(CommunicationError)
    /// Starts giving every rank all parts of `values`, of which each has its own. As `startAllReduce`, but ordered only
    /// among its like.
    func startAllGather(_ values: Operand, _ parts: RankParts, in slot: CollectiveSlot) throws(CommunicationError)
    /// Stacks every rank's rows, in rank order, into `all`; `rowCounts` says how many each rank has.
    func allGather(_ rows: Matrix, rowCounts: [Int], into all: Matrix) throws(CommunicationError)
    /// Every rank's bytes, in rank order; lengths may differ.
    func allGather(_ bytes: [UInt8]) throws(CommunicationError) -> [[UInt8]]
    /// Every rank's bytes, in rank order, on rank 0; nothing of use on the others. `counts` says how many each rank has.
    func gatherOnRoot(_ bytes: [UInt8], counts: [Int]) throws(CommunicationError) -> [[UInt8]]
    func broadcast(_ values: Matrix, from root: Int) throws(CommunicationError)
    func barrier() throws(CommunicationError)
    /// Memory in which ranks of this host make content for each other; nil where they cannot share. It lasts as long as
    /// ranks hold it, and what they have taken from it longer.
    func hostShare() throws(CommunicationError) -> HostShare?
}

extension Communicator {
    /// Hosts that are filled one after another.
    package var hostLayout: HostLayout {
        HostLayout(ranks: size, hosts: (size + localSize - 1) / localSize, ranksPerHost: localSize)
    }

    package func hostShare() throws(CommunicationError) -> HostShare? { nil }

    /// This rank's of as equal parts of 0 ..< count as can be, which follow one another in rank order.
    package func share(of count: Int) -> Range<Int> { count * rank / size..<count * (rank + 1) / size }

    /// Through all ranks, where there is no shorter way.
    package func gatherOnRoot(_ bytes: [UInt8], counts: [Int]) throws(CommunicationError) -> [[UInt8]] {
        try allGather(bytes)
    }
}
