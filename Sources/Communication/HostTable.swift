import Glibc

/// What the ranks of one host are doing and have last done, in memory that they share: a row for each, which it alone
/// writes and all may read. A row has a ring of the last collectives; nothing is allocated where they are noted.
@safe
package final class HostTable: @unchecked Sendable {
    package enum Operation: Int64, CaseIterable, Sendable {
        case computing, allReduce, waitForSum, allGather, broadcast, barrier
        case startAllReduce, startAllToAll, startAllGather, finalize, gather

        package var name: String {
            switch self {
            case .computing: "computing"
            case .allReduce: "MPI_Allreduce"
            case .waitForSum: "MPI_Wait for a sum or features"
            case .allGather: "MPI_Allgather"
            case .startAllToAll: "MPI_Ialltoallv"
            case .broadcast: "MPI_Bcast"
            case .barrier: "MPI_Barrier"
            case .startAllReduce: "MPI_Iallreduce"
            case .startAllGather: "MPI_Iallgather"
            case .finalize: "MPI_Finalize"
            case .gather: "MPI_Gatherv"
            }
        }
    }

    enum Field: Int, CaseIterable {
        case rank, process, heartbeat, operation, since, step
        /// Not zero while this rank shows signs of life.
        case watched
        /// When this rank decided that the run ends; zero before.
        case ended
        /// Collectives begun so far: the number of the newest.
        case collectives
        /// The `LongWork` under way on this rank, zero for none, and when the last one was over.
        case work, workEnded
        /// The `LongWork` that this rank waits for others to end, zero for none.
        case awaited
    }

    /// A collective that a rank has begun.
    package struct Collective: Equatable, Sendable {
        /// Counted from 1 on each rank: where ranks differ, one is behind, or does something else.
        package var number = 0
        package var operation = Operation.computing
        package var bytes = 0
        package var step = 0
        /// Seconds since it began, and how long it took; nil while it is under way.
        package var age = 0.0
        package var duration: Double?

        package init() {}
    }

    /// How many collectives of each rank are kept.
    package static var ringSize: Int { 16 }
    /// A cache line, of which the fields take two and each collective one.
    private static var lineSize: Int { 8 }
    private static var firstEntry: Int { 2 * lineSize }
    private static var rowSize: Int { firstEntry + ringSize * lineSize }

    private let table: UnsafeMutablePointer<Int64>
    private let byteCount: Int
    package let localRank: Int
    package let localSize: Int
    /// The number of the collective that the next `begin` ends; 0 for none.
    private var blocking = 0

    /// - Parameter path: of the file that `createFile` made for all ranks of this host. Where there is none, or it cannot be
    ///   opened, this rank has a table of its own, with nobody else in it.
    /// - Returns: nil if the system gives no memory.
    package init?(path: String?, rank: Int, localRank: Int, localSize: Int) {
        let byteCount = localSize * Self.rowSize * MemoryLayout<Int64>.stride
        self.byteCount = byteCount
        var address = unsafe path.flatMap { unsafe Self.map(path: $0, byteCount) }
        if unsafe address == nil {
            unsafe address = Self.accept(
                mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        }
        guard let address = unsafe address else { return nil }
        unsafe table = address.bindMemory(to: Int64.self, capacity: byteCount / MemoryLayout<Int64>.stride)
        self.localRank = localRank
        self.localSize = localSize
        set(.rank, Int64(rank))
        set(.process, Int64(getpid()))
        set(.heartbeat, Self.now())
        set(.since, Self.now())
    }

    deinit { unsafe munmap(table, byteCount) }

    /// Makes an empty file for the ranks of a host to share. It must not be there yet: containers may share a directory
    /// without sharing process numbers, and a file of that name may be another run's.
    ///
    /// - Returns: whether the file is new.
    package static func createFile(path: String) -> Bool {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return false }
        close(file)
        return true
    }

    private static func map(path: String, _ byteCount: Int) -> UnsafeMutableRawPointer? {
        let file = unsafe open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return nil }
        defer { close(file) }
        // Reserved, so that a full file system is an error here and not a SIGBUS later.
        guard posix_fallocate(file, 0, byteCount) == 0 else { return nil }
        return unsafe accept(mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0))
    }

    private static func accept(_ address: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        unsafe address == MAP_FAILED ? nil : address
    }

    // MARK: Noting

    /// Notes that an operation begins, and that the one before is over.
    package func begin(_ operation: Operation, bytes: Int = 0) {
        complete(blocking)
        blocking = operation == .computing || operation == .waitForSum ? 0 : post(operation, bytes: bytes)
        set(.operation, operation.rawValue)
        noteProgress()
    }

    /// Notes that this rank gets on.
    package func noteProgress() { set(.since, Self.now()) }

    /// Notes that work begins that may take long; returns the work that it is part of, for `endWork`.
    package func beginWork(_ work: LongWork) -> Int64 {
        let outer = get(.work)
        set(.work, work.rawValue)
        return outer
    }

    /// Notes that work is over that may have taken long.
    package func endWork(returningTo outer: Int64) {
        // Progress is noted first: whoever reads in between sees a rank at work, or one that has just ended it.
        noteProgress()
        set(.workEnded, Self.now())
        set(.work, outer)
    }

    /// Notes what others may be at while this rank waits for them; nil for nothing in particular.
    func expect(_ work: LongWork?) { set(.awaited, work?.rawValue ?? 0) }

    /// Notes a collective that is begun and not waited for; returns its number.
    package func post(_ operation: Operation, bytes: Int) -> Int {
        let number = get(.collectives) + 1
        let entry = self.entry(number, of: localRank)
        unsafe table[entry] = number
        unsafe table[entry + 1] = operation.rawValue
        unsafe table[entry + 2] = Int64(bytes)
        unsafe table[entry + 3] = get(.step)
        unsafe table[entry + 4] = Self.now()
        unsafe table[entry + 5] = 0
        set(.collectives, number)
        noteProgress()
        return Int(number)
    }

    /// Notes that a collective is over, if it is still among those kept.
    package func complete(_ number: Int) {
        let entry = self.entry(Int64(number), of: localRank)
        guard unsafe number > 0 && table[entry] == Int64(number) else { return }
        unsafe table[entry + 5] = Self.now()
        noteProgress()
    }

    package func mark(step: Int) { set(.step, Int64(step)) }

    private func entry(_ number: Int64, of row: Int) -> Int {
        row * Self.rowSize + Self.firstEntry + Int(number % Int64(Self.ringSize)) * Self.lineSize
    }

    func set(_ field: Field, _ value: Int64) { unsafe table[localRank * Self.rowSize + field.rawValue] = value }
    func get(_ field: Field, of row: Int) -> Int64 { unsafe table[row * Self.rowSize + field.rawValue] }
    func get(_ field: Field) -> Int64 { get(field, of: localRank) }

    // MARK: Telling

    /// What a row shows, for the rule of stalls.
    ///
    /// - Parameter now: by `now()`.
    package func sign(of row: Int, now: Int64 = HostTable.now()) -> StallRule.Sign {
        func age(_ field: Field) -> Double { Double(now - get(field, of: row)) * 1e-9 }
        var sign = StallRule.Sign()
        sign.operation = Operation(rawValue: get(.operation, of: row)) ?? .computing
        sign.work = LongWork(rawValue: get(.work, of: row))
        sign.awaited = LongWork(rawValue: get(.awaited, of: row))
        sign.silence = age(.heartbeat)
        sign.unchanged = age(.since)
        if get(.workEnded, of: row) != 0 { sign.sinceWork = age(.workEnded) }
        return sign
    }

    /// The last collectives of a row, newest first.
    package func lastCollectives(of row: Int, most: Int) -> [Collective] {
        let newest = get(.collectives, of: row)
        let count = min(Int64(min(most, Self.ringSize)), newest)
        let now = Self.now()
        return (0..<max(count, 0)).compactMap { back in
            let entry = self.entry(newest - back, of: row)
            // Another process may be writing it anew.
            guard unsafe table[entry] == newest - back, let operation = unsafe Operation(rawValue: table[entry + 1])
            else { return nil }
            let (begun, over) = unsafe (table[entry + 4], table[entry + 5])
            var collective = Collective()
            collective.number = Int(newest - back)
            collective.operation = operation
            collective.bytes = unsafe Int(table[entry + 2])
            collective.step = unsafe Int(table[entry + 3])
            collective.age = Double(now - begun) * 1e-9
            collective.duration = over == 0 ? nil : Double(over - begun) * 1e-9
            return collective
        }
    }

    /// Nanoseconds of CLOCK_MONOTONIC, which all processes of a host share and nobody sets.
    package static func now() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

extension HostTable.Collective: CustomStringConvertible {
    /// `#1042 MPI_Allreduce 48 B, step 12, took 0.2 ms, 3.0 s ago`
    package var description: String {
        let time =
            duration.map { "took \(Self.text($0)), began \(Self.text(age)) ago" } ?? "under way for \(Self.text(age))"
        return "#\(number) \(operation.name)" + (bytes > 0 ? " \(Self.text(bytes: bytes))" : "")
            + ", step \(step), " + time
    }

    private static func text(_ seconds: Double) -> String {
        seconds < 0.1 ? "\(rounded(1e3 * seconds)) ms" : "\(rounded(seconds)) s"
    }

    private static func text(bytes: Int) -> String {
        bytes < 10_000 ? "\(bytes) B" : bytes < 10_000_000 ? "\(bytes / 1000) kB" : "\(bytes / 1_000_000) MB"
    }

    /// One digit behind the point.
    private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
