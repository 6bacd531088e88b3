internal import Communication
internal import Host

/// Where ranks of one process leave for each other what they send.
///
/// The n-th collective of one rank is that of the others; it is over when all have come to it.
final class MessageBoard: @unchecked Sendable {
    /// Collectives of one order.
    enum Order: Int {
        /// Those that all ranks call in one order.
        case common
        /// Gathers of parts, which are ordered among themselves alone.
        case gathers
    }

    struct Ticket {
        let order: Order
        let number: Int
        let call: String
        let rank: Int
    }

    private struct Collective {
        /// What each rank that has come calls it, and brings.
        var calls: [String?]
        var values: [(any Sendable)?]
        /// Ranks that have not read it.
        var readers: Int

        var isComplete: Bool { !calls.contains(nil) }
    }

    private let ranks: Int
    private let changed = ConditionLock()
    /// By order and number, as long as somebody has not read them.
    private var collectives: [[Int: Collective]] = [[:], [:]]
    /// Collectives that each rank has come to, by order.
    private var counts: [[Int]]
    /// What each rank sleeps for, if it does.
    private var awaited: [Ticket?]
    /// How ranks ended that have left: an error, or in words.
    private var departures: [String?]
    private var failure: (any Error)?

    init(ranks: Int) {
        self.ranks = ranks
        counts = [[Int]](repeating: [Int](repeating: 0, count: ranks), count: 2)
        awaited = Array(repeating: nil, count: ranks)
        departures = Array(repeating: nil, count: ranks)
    }

    /// The error of the first rank that left with one.
    var firstFailure: (any Error)? { locked { failure } }

    /// Brings what `rank` has to send to its next collective, and returns at once.
    ///
    /// - Parameter call: the operation, and whatever else of it all ranks must agree on.
    func post(_ value: some Sendable, _ call: String, by rank: Int, _ order: Order) -> Ticket {
        locked {
            let number = counts[order.rawValue][rank]
            counts[order.rawValue][rank] += 1
            var collective =
                collectives[order.rawValue][number]
                ?? Collective(
                    calls: Array(repeating: nil, count: ranks), values: Array(repeating: nil, count: ranks),
                    readers: ranks)
            collective.calls[rank] = call
            collective.values[rank] = value
            collectives[order.rawValue][number] = collective
            if collective.isComplete { changed.broadcast() }
            return Ticket(order: order, number: number, call: call, rank: rank)
        }
    }

    /// What all ranks brought, in rank order; nil if some have not come and nobody is to wait for them. To be taken once.
    func take<Value>(
        _ ticket: Ticket, waiting: Bool, as type: Value.Type = Value.self
    ) throws(CommunicationError) -> [Value]? {
        changed.lock()
        defer { changed.unlock() }
        while let obstacle = try obstacle(to: ticket) {
            guard waiting else { return nil }
            awaited[ticket.rank] = ticket
            defer { awaited[ticket.rank] = nil }
            if allWait { throw failure(ticket, "all ranks wait, and this one for \(obstacle)") }
            changed.wait()
        }
        guard var collective = collectives[ticket.order.rawValue][ticket.number] else { return nil }
        collective.readers -= 1
        collectives[ticket.order.rawValue][ticket.number] = collective.readers > 0 ? collective : nil
        return collective.values.map { value in
            guard let value = value as? Value else { preconditionFailure("one call, two types: \(ticket.call)") }
            return value
        }
    }

    /// Says that a rank will send nothing more.
    func leave<Value>(_ rank: Int, _ outcome: Result<Value, any Error>) {
        locked {
            switch outcome {
            case .success: departures[rank] = "has ended"
            case .failure(let error):
                departures[rank] = "has failed: \(error)"
                failure = failure ?? error
            }
            changed.broadcast()
        }
    }

    /// The ranks that still have to come; nil if none.
    private func obstacle(to ticket: Ticket) throws(CommunicationError) -> String? {
        guard let collective = collectives[ticket.order.rawValue][ticket.number] else { return nil }
        if let other = collective.calls.firstIndex(where: { $0 != nil && $0 != ticket.call }) {
            throw failure(ticket, "rank \(other) calls \(collective.calls[other] ?? "") in its place")
        }
        let missing = collective.calls.indices.filter { collective.calls[$0] == nil }
        if let gone = missing.first(where: { departures[$0] != nil }) {
            throw failure(ticket, "rank \(gone) \(departures[gone] ?? "")")
        }
        return missing.isEmpty ? nil : "rank " + missing.map(String.init).joined(separator: ", ")
    }

    /// Whether no rank can ever go on.
    private var allWait: Bool {
        (0..<ranks).allSatisfy { rank in
            if departures[rank] != nil { return true }
            guard let ticket = awaited[rank] else { return false }
            return collectives[ticket.order.rawValue][ticket.number]?.isComplete == false
        }
    }

    private func failure(_ ticket: Ticket, _ reason: String) -> CommunicationError {
        CommunicationError(call: ticket.call, reason: reason, rank: ticket.rank)
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        changed.lock()
        defer { changed.unlock() }
        return body()
    }
}
