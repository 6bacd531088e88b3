import Glibc

/// Watches that this host's ranks get on: each leaves a sign of life and what it is doing in memory that they share; when
/// one has done the same for too long, the lowest rank that is alive says who waits where and who is missing, and ends
/// the run. A rank that was stopped, or hangs outside MPI, cannot say so itself.
///
/// Only ranks of one host see each other; on several, each host's watch speaks for its own: where all of them wait, it is
/// for another host.
@safe
final class StallWatch: @unchecked Sendable {
    let table: HostTable
    /// By rank.
    private let hosts: [String]
    private var timeout = 0.0
    private var thread: pthread_t?
    private var stopping = false

    /// - Parameters:
    ///   - path: of a file that all ranks of this host can open and that nobody else does.
    ///   - hosts: the host of each rank.
    /// - Returns: nil if there is no memory; then nobody watches.
    init?(path: String, rank: Int, localRank: Int, localSize: Int, hosts: [String]) {
        guard let table = HostTable(path: path, rank: rank, localRank: localRank, localSize: localSize) else {
            return nil
        }
        self.table = table
        self.hosts = hosts
    }

    deinit { stop() }

    /// Notes that an operation begins; `computing` when it is over.
    func begin(_ operation: HostTable.Operation, bytes: Int = 0) { table.begin(operation, bytes: bytes) }

    func mark(step: Int) { table.mark(step: step) }

    /// From now on, a rank that does one thing for longer than `seconds` ends the run.
    func start(timeout seconds: Double) {
        guard thread == nil else { return }
        timeout = seconds
        table.set(.heartbeat, HostTable.now())
        table.set(.since, HostTable.now())
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(Reference(watch: self)).toOpaque()
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let reference = unsafe Unmanaged<Reference>.fromOpaque(argument).takeRetainedValue()
                unsafe reference.watch.watch()
                return nil
            }, argument)
        guard code == 0 else { return }
        self.thread = thread
        table.set(.watched, 1)
    }

    func stop() {
        table.set(.watched, 0)
        stopping = true
        if let thread { pthread_join(thread, nil) }
        thread = nil
    }

    /// The thread is joined before the watch goes.
    private final class Reference {
        unowned(unsafe) let watch: StallWatch
        init(watch: StallWatch) { unsafe self.watch = watch }
    }

    private func watch() {
        while !stopping {
            usleep(100_000)
            table.set(.heartbeat, HostTable.now())
            leaveIfAnotherEnded()
            guard let report = report() else { continue }
            Departure.say(report)
            table.set(.ended, HostTable.now())
            Departure.endRun(exitCode: 1, spansHosts: spansHosts)
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
        func age(_ field: HostTable.Field, _ row: Int) -> Double { Double(now - table.get(field, of: row)) * 1e-9 }
        // Who has shown no sign of life for a second or more, beyond a busy machine's delays, does not speak.
        let alive = rows.filter { age(.heartbeat, $0) < max(1, timeout / 2) }
        guard alive.first == table.localRank else { return nil }
        let silent = rows.filter { age(.heartbeat, $0) >= timeout }
        let stuck = rows.filter { age(.since, $0) >= timeout }
        guard !silent.isEmpty || !stuck.isEmpty else { return nil }
        func line(_ row: Int) -> String {
            let operation = HostTable.Operation(rawValue: table.get(.operation, of: row)) ?? .computing
            let doing =
                silent.contains(row)
                ? "no sign of life for \(Int(age(.heartbeat, row))) s, stopped or dead; last seen"
                : "for \(Int(age(.since, row))) s"
            return "rank \(rank(row)) (process \(table.get(.process, of: row))), step \(table.get(.step, of: row)): "
                + "\(doing) " + (operation == .computing ? "computing, outside MPI" : "in \(operation.name)")
        }
        let outside = stuck.filter { table.get(.operation, of: $0) == HostTable.Operation.computing.rawValue }
        let culprits = silent.isEmpty ? outside : silent
        let cause =
            culprits.isEmpty
            ? waitingForOthers : ", because of rank " + culprits.map { "\(rank($0))" }.joined(separator: ", ")
        return "no progress for \(Int(timeout)) s" + cause
            + "; the run ends, --resume auto goes on from the last checkpoint. "
            + rows.map(line).joined(separator: "; ") + collectives(rows)
    }

    var spansHosts: Bool { Set(hosts).count > 1 }

    private func rank(_ row: Int) -> Int { Int(table.get(.rank, of: row)) }

    /// Where no rank of this host is to blame: the others.
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
