package import Tensors

/// How values of all ranks are combined.
package enum Reduction: Sendable {
    case sum, minimum, maximum
}

/// The ranks of one run and the messages between them.
///
/// Methods are collective unless they say otherwise: each rank must call them, in the same order, with the same counts.
/// Implementations are the MPI world (`MPIWorld`), a single process that never starts MPI (`SingleProcess`), and ranks that
/// are only planned (`PlannedWorld`).
package protocol Communicator: AnyObject, Sendable {
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
    /// From now on, ends the run if a rank does one thing for longer than `timeout` seconds, and says who and what. Not
    /// collective, but of use only if all ranks call it.
    ///
    /// - Throws: `ThreadRefusal` if the system gives no thread to watch on.
    func watchForStalls(timeout: Double) throws
    /// The table in which this rank notes what it does, for the other ranks of its host; nil where nobody watches.
    var table: HostTable? { get }
    /// Says at which step this rank is, for such a report. Not collective.
    func mark(step: Int)
    /// Ends all ranks at once, after saying what this rank's last collectives were. Not collective: for failures that one
    /// rank meets alone.
    func abort(exitCode: Int32) -> Never
}

extension Communicator {
    package var table: HostTable? { nil }

    /// Hosts that are filled one after another.
    package var hostLayout: HostLayout {
        HostLayout(ranks: size, hosts: (size + localSize - 1) / localSize, ranksPerHost: localSize)
    }

    /// Through all ranks, where there is no shorter way.
    package func gatherOnRoot(_ bytes: [UInt8], counts: [Int]) throws(CommunicationError) -> [[UInt8]] {
        try allGather(bytes)
    }
}

/// The part of each rank in a row of elements, in memory that stays until a collective that reads it is done.
package final class RankParts: Sendable {
    package let ranges: [Range<Int>]
    let counts: Storage<Int32>
    let offsets: Storage<Int32>

    /// - Parameter ranges: by rank, of a bucket, which has 2^28 elements at most.
    package init(_ ranges: [Range<Int>]) {
        self.ranges = ranges
        counts = Storage(count: ranges.count)
        offsets = Storage(count: ranges.count)
        for (rank, range) in ranges.enumerated() {
            unsafe counts.address[rank] = Int32(range.count)
            unsafe offsets.address[rank] = Int32(range.lowerBound)
        }
    }
}

/// An MPI call that failed.
package struct CommunicationError: Error, CustomStringConvertible {
    package let call: String
    package let reason: String
    package let rank: Int

    package var description: String { "\(call) failed on rank \(rank): \(reason)" }
}

/// One collective in flight. It owns the views it works on until it is done, and is used again for the next step.
package final class CollectiveSlot: @unchecked Sendable {
    package internal(set) var isDone = true
    let request: Storage<UInt64>
    /// The collective's number as `HostTable` counts them; 0 where nobody counts.
    var number = 0
    private var send: AnyObject?
    private var receive: AnyObject?
    private var parts: (RankParts?, RankParts?)
    private var poll: ((CollectiveSlot, Bool) throws(CommunicationError) -> Bool)?

    package init() { request = Storage(count: 2) }

    /// What MPI still works on must not go with the slot.
    deinit {
        guard !isDone, let poll else { return }
        let slot = CollectiveSlot(finishing: request)
        UnfinishedCollectives.keep(
            .init(
                request: request, buffers: [send, receive, parts.0, parts.1],
                isOver: { () throws(CommunicationError) in try poll(slot, false) }))
    }

    /// Takes over a request that another slot leaves behind.
    private init(finishing request: Storage<UInt64>) { self.request = request }

    /// - Parameters:
    ///   - send: what keeps the memory of either.
    ///   - poll: lets the collective go on, or waits for it if that is asked for; returns whether it is over.
    package func begin(
        send: AnyObject, receive: AnyObject, parts: (RankParts?, RankParts?) = (nil, nil),
        poll: @escaping (CollectiveSlot, Bool) throws(CommunicationError) -> Bool
    ) {
        precondition(isDone, "a collective is started in a slot that is still in use")
        self.send = send
        self.receive = receive
        self.parts = parts
        self.poll = poll
        number = 0
        isDone = false
    }

    /// Lets MPI make progress; true when the collective is complete.
    @discardableResult
    package func test() throws(CommunicationError) -> Bool { try advance(waiting: false) }

    package func wait() throws(CommunicationError) { _ = try advance(waiting: true) }

    private func advance(waiting: Bool) throws(CommunicationError) -> Bool {
        if !isDone, let poll {
            isDone = try poll(self, waiting)
            if isDone {
                send = nil
                receive = nil
                parts = (nil, nil)
            }
        }
        return isDone
    }
}
