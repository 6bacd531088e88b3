internal import Host
internal import Tensors
import Glibc
import Synchronization

/// Watches that this host's ranks get on: each leaves a sign of life and what it is doing in memory that they share; when
/// one has done the same for too long, the lowest rank that is alive says who waits where and who is missing, and ends
/// the run. A rank that was stopped, or hangs outside MPI, cannot say so itself. `StallRule` says how long is too long.
///
/// Only ranks of one host see each other; on several, each host's watch speaks for its own: where all of them wait, it is
/// for another host.
@safe
final class StallWatch: @unchecked Sendable {
    let table: HostTable
    /// The host of each rank.
    private let hosts: [String]
    private var timeout = 0.0
    private let departure: Departure
    private var thread: BackgroundThread?
    private let stopping = Atomic<Bool>(false)

    /// - Parameters:
    ///   - path: of the file of `HostTable.createFile`; nil if there is none.
    ///   - hosts: the host of each rank.
    ///   - departure: how a run is ended from a thread that did not start MPI.
    /// - Returns: nil if there is no memory; then nobody watches.
    init?(path: String?, rank: Int, localRank: Int, localSize: Int, hosts: [String], departure: Departure) {
        guard let table = HostTable(path: path, rank: rank, localRank: localRank, localSize: localSize) else {
            return nil
        }
        self.table = table
        self.hosts = hosts
        self.departure = departure
    }

    deinit { stop() }

    /// Notes that an operation begins; `computing` when it is over.
    func begin(_ operation: HostTable.Operation, bytes: Int = 0) { table.begin(operation, bytes: bytes) }

    func mark(step: Int) { table.mark(step: step) }

    /// From now on, a rank that does one thing for longer than `seconds` ends the run.
    func start(timeout seconds: Double) throws(ThreadRefusal) {
        guard thread == nil else { return }
        timeout = seconds
        table.set(.heartbeat, HostTable.now())
        table.set(.since, HostTable.now())
        // It is joined before the watch goes.
        thread = try BackgroundThread("the thread that watches for stalled ranks") { [unowned(unsafe) self] in
            unsafe watch()
        }
        table.set(.watched, 1)
    }

    func stop() {
        table.set(.watched, 0)
        stopping.store(true, ordering: .relaxed)
        thread?.join()
        thread = nil
    }

    private func watch() {
        while !stopping.load(ordering: .relaxed) {
            usleep(100_000)
            table.set(.heartbeat, HostTable.now())
            leaveIfAnotherEnded()
            guard let report = report() else { continue }
            Departure.say(report)
            table.set(.ended, HostTable.now())
            departure.endRun(exitCode: 1)
        }
    }

    /// Follows a rank of this host that has ended the run, where the launcher, cut off itself, does not see to it.
    private func leaveIfAnotherEnded() {
        let now = HostTable.now()
        let isLeft = (0..<table.localSize).contains {
            let ended = table.get(.ended, of: $0)
            return $0 != table.localRank && ended != 0 && Double(now - ended) * 1e-9 > Double(Departure.grace)
        }
        if isLeft { Departure.leave(exitCode: 1) }
    }

    /// What there is to say, if this rank is the one to say it.
    private func report() -> String? {
        let now = HostTable.now()
        let rows = (0..<table.localSize).filter { table.get(.watched, of: $0) != 0 }
        let signs = rows.map { table.sign(of: $0, now: now) }
        let rule = StallRule(timeout: timeout)
        // The first that is alive speaks for all.
        guard let speaker = signs.firstIndex(where: rule.isAlive), rows[speaker] == table.localRank else { return nil }
        let silent = signs.indices.filter { rule.isSilent(signs[$0]) }
        let stuck = rule.stuck(signs)
        guard !silent.isEmpty || !stuck.isEmpty else { return nil }
        let outside = stuck.filter { signs[$0].operation == .computing }
        let culprits = (silent.isEmpty ? outside : silent).map { "\(rank(rows[$0]))" }
        let cause = culprits.isEmpty ? waitingForOthers : ", because of rank " + culprits.joined(separator: ", ")
        let limits = rule.limits(signs)
        let seconds = silent.isEmpty ? stuck.map { limits[$0] }.min() ?? timeout : timeout
        return "no progress for \(Int(seconds)) s" + cause
            + "; the run ends, --resume auto goes on from the last checkpoint. "
            + signs.indices.map { line(rows[$0], signs[$0], isSilent: silent.contains($0)) }.joined(separator: "; ")
            + collectives(rows)
    }

    private func line(_ row: Int, _ sign: StallRule.Sign, isSilent: Bool) -> String {
        let doing =
            isSilent
            ? "no sign of life for \(Int(sign.silence)) s, stopped or dead; last seen"
            : "for \(Int(sign.unchanged)) s"
        let place =
            sign.work.map(\.name)
            ?? (sign.operation == .computing ? "computing, outside MPI" : "in \(sign.operation.name)")
        return "rank \(rank(row)) (process \(table.get(.process, of: row))), step \(table.get(.step, of: row)): "
            + "\(doing) \(place)" + (sign.awaited.map { ", waiting for others \($0.name)" } ?? "")
    }

    var spansHosts: Bool { departure.spansHosts }

    private func rank(_ row: Int) -> Int { Int(table.get(.rank, of: row)) }

    /// What to say where no rank of this host is to blame, so that it must be one of another host.
    private var waitingForOthers: String {
        let own = hosts[rank(table.localRank)]
        var others: [String: [Int]] = [:]
        for (rank, host) in hosts.enumerated() where host != own { others[host, default: []].append(rank) }
        guard !others.isEmpty else { return "" }
        let sorted = others.sorted { $0.value[0] < $1.value[0] }
        let shown = sorted.prefix(8).map { host, ranks in
            "\(host) (rank \(ranks.prefix(8).map(String.init).joined(separator: ", "))\(ranks.count > 8 ? ", …" : ""))"
        }
        return ": \(own) waits for " + shown.joined(separator: ", ") + (sorted.count > 8 ? ", …" : "")
            + ", which may be down or cut off: look at these hosts and at the network"
    }

    /// A line for each rank; where they differ, one was behind or did something else.
    private func collectives(_ rows: [Int]) -> String {
        rows.map { row in
            let last = table.lastCollectives(of: row, most: 4).map(\.description).joined(separator: "; ")
            return "\n  last collectives of rank \(rank(row)), newest first: \(last.isEmpty ? "none" : last)"
        }.joined()
    }

    /// What this rank did last, for one that ends alone: a line each, none if there is nothing to tell.
    var lastCollectives: String? {
        let last = table.lastCollectives(of: table.localRank, most: 8).map { "\n    \($0)" }.joined()
        return last.isEmpty ? nil : "  last collectives of rank \(rank(table.localRank)), newest first:\(last)"
    }
}
