internal import Communication
internal import Tensors

/// One rank of an `InProcessWorld`.
final class InProcessRank: Communicator {
    let rank: Int
    let size: Int
    let localSize: Int
    private let board: MessageBoard

    init(_ rank: Int, of size: Int, ranksPerHost: Int, _ board: MessageBoard) {
        self.rank = rank
        self.size = size
        localSize = min(ranksPerHost, size)
        self.board = board
    }

    // MARK: What is waited for

    func allReduce(_ values: inout [Double], _ reduction: Reduction) throws(CommunicationError) {
        let all = try exchange("MPI_Allreduce (\(reduction)) of \(values.count)", values)
        values = all.dropFirst().reduce(all[0]) { first, second in
            zip(first, second).map { reduction.combine($0, $1) }
        }
    }

    func allGather(_ rows: Matrix, rowCounts: [Int], into all: Matrix) throws(CommunicationError) {
        precondition(rowCounts.count == size && rowCounts[rank] == rows.rows && all.rows == rowCounts.reduce(0, +))
        let arrived = try exchange("MPI_Allgatherv of \(rowCounts) × \(rows.columns)", rows.array)
        all.copy(from: Array(arrived.joined()))
    }

    func allGather(_ bytes: [UInt8]) throws(CommunicationError) -> [[UInt8]] {
        try exchange("MPI_Allgatherv of bytes", bytes)
    }

    func gatherOnRoot(_ bytes: [UInt8], counts: [Int]) throws(CommunicationError) -> [[UInt8]] {
        precondition(counts.count == size && counts[rank] == bytes.count)
        let all = try exchange("MPI_Gatherv of \(counts)", bytes)
        return rank == 0 ? all : []
    }

    func broadcast(_ values: Matrix, from root: Int) throws(CommunicationError) {
        let all = try exchange("MPI_Bcast of \(values.count) from \(root)", rank == root ? values.array : [])
        if rank != root { values.copy(from: all[root]) }
    }

    func barrier() throws(CommunicationError) { _ = try exchange("MPI_Barrier", 0) }

    private func exchange<Value: Sendable>(_ call: String, _ own: Value) throws(CommunicationError) -> [Value] {
        let ticket = board.post(own, call, by: rank, .common)
        guard let all: [Value] = try board.take(ticket, waiting: true) else { preconditionFailure("not waited for") }
        return all
    }

    // MARK: What is under way meanwhile

    func startAllReduce(send: Matrix, receive: Matrix, in slot: CollectiveSlot) throws(CommunicationError) {
        precondition(send.count == receive.count)
        receive.fill(.nan)
        start("MPI_Iallreduce of \(send.count) floats", in: slot, (send.storage, receive.storage), read: send.bits) {
            let terms = $0.map { $0.map { Float(bitPattern: $0) } }
            receive.copy(from: terms.dropFirst().reduce(terms[0]) { sum, term in zip(sum, term).map { $0 + $1 } })
        }
    }

    func startAllReduce(
        send: MatrixView<Double>, receive: MatrixView<Double>, in slot: CollectiveSlot
    ) throws(CommunicationError) {
        precondition(send.count == receive.count)
        receive.fill(.nan)
        start("MPI_Iallreduce of \(send.count) doubles", in: slot, (send.storage, receive.storage)) {
            send.array.map(\.bitPattern)
        } write: {
            let terms = $0.map { $0.map { Double(bitPattern: $0) } }
            receive.copy(from: terms.dropFirst().reduce(terms[0]) { sum, term in zip(sum, term).map { $0 + $1 } })
        }
    }

    func startAllGather(_ rows: Matrix, into all: Matrix, in slot: CollectiveSlot) throws(CommunicationError) {
        precondition(all.count == rows.count * size)
        all.fill(.nan)
        start("MPI_Iallgather of \(rows.count)", in: slot, (rows.storage, all.storage), read: rows.bits) {
            all.copy(from: $0.joined().map { Float(bitPattern: $0) })
        }
    }

    func startAllToAll(
        send: Operand, _ sendParts: RankParts, receive: Operand, _ receiveParts: RankParts, in slot: CollectiveSlot
    ) throws(CommunicationError) {
        precondition(send.element == receive.element)
        let rank = rank
        for part in receiveParts.ranges { receive.columns(part).spoil() }
        start("MPI_Ialltoallv of \(send.element.rawValue)", in: slot, (send.owner, receive.owner)) {
            sendParts.ranges.map { send.columns($0).bits() }
        } write: { all in
            for (sender, part) in receiveParts.ranges.enumerated() { receive.columns(part).write(all[sender][rank]) }
        }
    }

    func startAllGather(_ values: Operand, _ parts: RankParts, in slot: CollectiveSlot) throws(CommunicationError) {
        let rank = rank
        let others = parts.ranges.enumerated().filter { $0.offset != rank }
        for (_, part) in others { values.columns(part).spoil() }
        let call = "MPI_Iallgatherv of \(values.element.rawValue) in \(parts.ranges)"
        start(call, .gathers, in: slot, (values.owner, values.owner)) {
            values.columns(parts.ranges[rank]).bits()
        } write: { all in
            for (sender, part) in others { values.columns(part).write(all[sender]) }
        }
    }

    /// - Parameters:
    ///   - memory: what is sent, and where it arrives; kept until it is over.
    ///   - read: what this rank sends.
    ///   - write: puts down what all ranks sent.
    private func start<Value: Sendable & Equatable>(
        _ call: String, _ order: MessageBoard.Order = .common, in slot: CollectiveSlot,
        _ memory: (AnyObject, AnyObject), read: @escaping () -> Value, write: @escaping ([Value]) -> Void
    ) {
        let sent = read()
        let (board, rank) = (board, rank)
        let ticket = board.post(sent, call, by: rank, order)
        slot.begin(send: memory.0, receive: memory.1) { _, waiting throws(CommunicationError) in
            guard let all: [Value] = try board.take(ticket, waiting: waiting) else { return false }
            guard read() == sent else {
                throw CommunicationError(call: call, reason: "what is sent was changed before it was over", rank: rank)
            }
            write(all)
            return true
        }
    }
}

extension Reduction {
    fileprivate func combine(_ first: Double, _ second: Double) -> Double {
        switch self {
        case .sum: first + second
        case .minimum: min(first, second)
        case .maximum: max(first, second)
        }
    }
}

extension Matrix {
    /// As they are compared and sent, so that what is not a number is equal to itself.
    fileprivate func bits() -> [UInt32] { array.map(\.bitPattern) }
}

extension Operand {
    fileprivate func bits() -> [UInt32] { array.map(\.bitPattern) }

    /// From floats that are elements of this type.
    fileprivate func write(_ bits: [UInt32]) {
        precondition(bits.count == columns, "a rank sends another number of elements than this one receives")
        convert(from: Matrix(rows: 1, columns: columns, values: bits.map { Float(bitPattern: $0) }))
    }

    /// Nobody is to take what was there for what arrives.
    fileprivate func spoil() {
        let nothing = Matrix(rows: 1, columns: columns)
        nothing.fill(.nan)
        convert(from: nothing)
    }
}
