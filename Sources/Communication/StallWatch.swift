import Glibc

/// Watches that this host's ranks get on: each leaves a sign of life and what it is doing in memory that they share; when
/// one has done the same for too long, the lowest rank that is alive says who waits where and who is missing, and ends
/// the run. A rank that was stopped, or hangs outside MPI, cannot say so itself.
///
/// Only ranks of one host see each other; on several, each host's watch speaks for its own.
@safe
final class StallWatch: @unchecked Sendable {
    /// What a rank is doing.
    enum Operation: Int64, CaseIterable {
        case computing, allReduce, waitForSum, allGather, broadcast, barrier

        var name: String {
            switch self {
            case .computing: "computing"
            case .allReduce: "MPI_Allreduce"
            case .waitForSum: "MPI_Wait for a sum or features"
            case .allGather: "MPI_Allgather"
            case .broadcast: "MPI_Bcast"
            case .barrier: "MPI_Barrier"
            }
        }
    }

    private enum Field: Int, CaseIterable { case rank, process, heartbeat, operation, since, step }

    /// A line of the table is a cache line.
    private static var fields: Int { 8 }
    private let table: UnsafeMutablePointer<Int64>
    private let byteCount: Int
    private let localRank: Int
    private let localSize: Int
    private var timeout = 0.0
    private var thread: pthread_t?
    private var stopping = false
    private let abort: () -> Void

    /// - Parameters:
    ///   - path: of a file that all ranks of this host can open and that nobody else does.
    ///   - abort: ends all ranks.
    /// - Returns: nil if there is no such memory here; then nobody watches.
    init?(path: String, rank: Int, localRank: Int, localSize: Int, abort: @escaping () -> Void) {
        byteCount = localSize * Self.fields * MemoryLayout<Int64>.stride
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return nil }
        defer { close(file) }
        guard ftruncate(file, byteCount) == 0 else { return nil }
        let address = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else { return nil }
        unsafe table = address.bindMemory(to: Int64.self, capacity: byteCount / MemoryLayout<Int64>.stride)
        self.localRank = localRank
        self.localSize = localSize
        self.abort = abort
        set(.rank, Int64(rank))
        set(.process, Int64(getpid()))
        set(.heartbeat, Self.now())
        set(.since, Self.now())
    }

    deinit {
        stop()
        unsafe munmap(table, byteCount)
    }

    /// Notes that an operation begins; `computing` when it is over.
    func begin(_ operation: Operation) {
        set(.operation, operation.rawValue)
        set(.since, Self.now())
    }

    func mark(step: Int) { set(.step, Int64(step)) }

    /// From now on, a rank that does one thing for longer than `seconds` ends the run.
    func start(timeout seconds: Double) {
        guard thread == nil else { return }
        timeout = seconds
        set(.heartbeat, Self.now())
        set(.since, Self.now())
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
        if code == 0 { self.thread = thread }
    }

    func stop() {
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
            set(.heartbeat, Self.now())
            guard let report = report() else { continue }
            Self.say(report)
            return abort()
        }
    }

    /// What there is to say, if this rank is the one to say it.
    private func report() -> String? {
        let now = Self.now()
        func age(_ field: Field, _ rank: Int) -> Double { Double(now - get(field, rank)) * 1e-9 }
        // Who has shown no sign of life for a second or more, beyond a busy machine's delays, does not speak.
        let alive = (0..<localSize).filter { age(.heartbeat, $0) < max(1, timeout / 2) }
        guard alive.first == localRank else { return nil }
        let silent = (0..<localSize).filter { age(.heartbeat, $0) >= timeout }
        let stuck = (0..<localSize).filter { age(.since, $0) >= timeout }
        guard !silent.isEmpty || !stuck.isEmpty else { return nil }
        func line(_ rank: Int) -> String {
            let operation = Operation(rawValue: get(.operation, rank)) ?? .computing
            let doing =
                silent.contains(rank)
                ? "no sign of life for \(Int(age(.heartbeat, rank))) s, stopped or dead; last seen"
                : "for \(Int(age(.since, rank))) s"
            return "rank \(get(.rank, rank)) (process \(get(.process, rank))), step \(get(.step, rank)): \(doing) "
                + (operation == .computing ? "computing, outside MPI" : "in \(operation.name)")
        }
        let culprits = silent.isEmpty ? stuck.filter { get(.operation, $0) == Operation.computing.rawValue } : silent
        let names = culprits.map { "\(get(.rank, $0))" }.joined(separator: ", ")
        return "no progress for \(Int(timeout)) s"
            + (culprits.isEmpty ? "" : ", because of rank \(names)") + "; the run ends. "
            + (0..<localSize).map(line).joined(separator: "; ")
    }

    private static func say(_ text: String) {
        let line = Array("umae-dist: \(text)\n".utf8)
        _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func set(_ field: Field, _ value: Int64) { unsafe table[localRank * Self.fields + field.rawValue] = value }
    private func get(_ field: Field, _ rank: Int) -> Int64 { unsafe table[rank * Self.fields + field.rawValue] }

    /// Of the clock that all processes of a host share.
    private static func now() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
