package import Communication
internal import Host
internal import Synchronization

/// Ranks that are threads of this process, with messages that are really exchanged.
///
/// Every message is a copy: a rank reads and writes its own memory alone, within calls of its own. Sums are formed in rank
/// order, ((r₀ + r₁) + r₂) + …, the same bits on every rank. Where MPI would quietly give wrong numbers or wait for ever,
/// there is an error:
///
/// - A rank that leaves, by an error or by its end, lets everybody fail who waits for a message of it.
/// - Ranks that call different operations fail, and so do ranks that all wait for each other.
/// - Memory that something arrives in is not a number until it is there; what is changed while it is sent is an error.
package enum InProcessWorld {
    /// Runs `body` on every rank at once.
    ///
    /// - Parameter ranksPerHost: all on one host if nil.
    /// - Returns: what it returned, by rank.
    /// - Throws: what the first rank that failed threw.
    package static func run<Value: Sendable>(
        ranks: Int, ranksPerHost: Int? = nil, _ body: @escaping @Sendable (any Communicator) throws -> Value
    ) throws -> [Value] {
        let (outcomes, board) = start(ranks, ranksPerHost, body)
        if let first = board.firstFailure { throw first }
        return try outcomes.map { try $0.get() }
    }

    /// As `run`, where ranks are expected to fail: what became of each.
    package static func outcomes<Value: Sendable>(
        ranks: Int, ranksPerHost: Int? = nil, _ body: @escaping @Sendable (any Communicator) throws -> Value
    ) -> [Result<Value, any Error>] { start(ranks, ranksPerHost, body).0 }

    private static func start<Value: Sendable>(
        _ ranks: Int, _ ranksPerHost: Int?, _ body: @escaping @Sendable (any Communicator) throws -> Value
    ) -> ([Result<Value, any Error>], MessageBoard) {
        precondition(ranks >= 1)
        let board = MessageBoard(ranks: ranks)
        let outcomes = Outcomes<Value>(count: ranks)
        func leave(_ rank: Int, _ outcome: Result<Value, any Error>) {
            outcomes.set(rank, outcome)
            board.leave(rank, outcome)
        }
        let threads = (0..<ranks).compactMap { rank -> BackgroundThread? in
            do {
                return try BackgroundThread("rank \(rank) of \(ranks)") {
                    let own = InProcessRank(rank, of: ranks, ranksPerHost: ranksPerHost ?? ranks, board)
                    leave(rank, Result { try body(own) })
                }
            } catch {
                leave(rank, .failure(error))
                return nil
            }
        }
        for thread in threads { thread.join() }
        return (outcomes.all, board)
    }

    private final class Outcomes<Value: Sendable>: Sendable {
        private let values: Mutex<[Result<Value, any Error>?]>

        init(count: Int) { values = Mutex(Array(repeating: nil, count: count)) }

        func set(_ rank: Int, _ outcome: Result<Value, any Error>) { values.withLock { $0[rank] = outcome } }
        var all: [Result<Value, any Error>] { values.withLock { $0.compactMap { $0 } } }
    }
}
