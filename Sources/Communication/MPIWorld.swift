internal import CMPIShim
package import Host
package import Tensors
import Glibc

/// All ranks that one launcher started (MPI_COMM_WORLD).
@safe
package final class MPIWorld: Communicator, @unchecked Sendable {
    package let rank: Int
    package let size: Int
    package let localSize: Int
    private let localRank: Int
    package let hostLayout: HostLayout

    /// MPI counts are C ints: longer messages go in pieces of this many elements.
    private static var chunk: Int { 1 << 30 }
    private let poll: (CollectiveSlot, Bool) throws(CommunicationError) -> Bool
    private let watch: StallWatch?
    /// Whether any thread may call MPI at any time (MPI_THREAD_MULTIPLE), not only the one that started it.
    package let anyThreadMayCall: Bool

    /// Starts MPI. Collective, once per process.
    package init() throws(CommunicationError) {
        var level: Int32 = 0
        try unsafe check(umae_mpi_init(&level), "MPI_Init_thread", rank: 0)
        anyThreadMayCall = level >= 3
        var values: (rank: Int32, size: Int32, localRank: Int32, localSize: Int32) = (0, 1, 0, 1)
        try unsafe check(umae_mpi_rank(&values.rank), "MPI_Comm_rank", rank: 0)
        try unsafe check(umae_mpi_size(&values.size), "MPI_Comm_size", rank: Int(values.rank))
        try unsafe check(
            umae_mpi_local(&values.localRank, &values.localSize), "MPI_Comm_split_type", rank: Int(values.rank))
        let rank = Int(values.rank)
        self.rank = rank
        size = Int(values.size)
        let localRank = Int(values.localRank)
        self.localRank = localRank
        localSize = Int(values.localSize)
        hostLayout = try Self.layout(rank: rank, size: size, localRank: localRank, localSize: localSize)
        watch = try Self.makeWatch(
            rank: rank, size: size, localRank: localRank, localSize: localSize, anyThreadMayCall: anyThreadMayCall)
        let watch = watch
        // Made once: a closure per reduction would be an allocation per step.
        poll = { slot, waiting throws(CommunicationError) in
            let request = unsafe UnsafeMutableRawPointer(slot.request.address)
                .assumingMemoryBound(to: umae_mpi_request.self)
            if waiting { watch?.begin(.waitForSum) }
            defer { if waiting { watch?.begin(.computing) } }
            var pause = MessagePause()
            var done = false
            repeat {
                try unsafe check(umae_mpi_test(request, &done), "MPI_Test", rank: rank)
                if waiting && !done { pause.next() }
            } while waiting && !done
            if done { watch?.table.complete(slot.number) }
            return done
        }
    }

    /// How all ranks lie on hosts, in figures that all of them share. Collective.
    private static func layout(
        rank: Int, size: Int, localRank: Int, localSize: Int
    ) throws(CommunicationError) -> HostLayout {
        var (hosts, largest) = (localRank == 0 ? 1.0 : 0, Double(localSize))
        try unsafe check(
            umae_mpi_allreduce_in_place(&hosts, 1, UMAE_MPI_F64, UMAE_MPI_SUM), "MPI_Allreduce", rank: rank)
        try unsafe check(
            umae_mpi_allreduce_in_place(&largest, 1, UMAE_MPI_F64, UMAE_MPI_MAX), "MPI_Allreduce", rank: rank)
        return HostLayout(ranks: size, hosts: Int(hosts), ranksPerHost: Int(largest))
    }

    /// Memory that this host's ranks share, in a file that the one with local rank 0 makes and the others find by its
    /// number.
    private static func makeWatch(
        rank: Int, size: Int, localRank: Int, localSize: Int, anyThreadMayCall: Bool
    ) throws(CommunicationError) -> StallWatch? {
        let hosts = try hostNames(rank: rank, size: size)
        func path(_ number: Int64) -> String { "/dev/shm/umae-dist-\(getuid())-\(number)" }
        // Drawn, since containers may share the directory and not the numbers of processes; zero for no file.
        var number: Int64 = 0
        if localRank == 0 {
            let drawn = (0..<8).lazy.map { _ in Int64.random(in: 1 ... .max) }
            number = drawn.first { HostTable.createFile(path: path($0)) } ?? 0
        }
        try unsafe check(umae_mpi_local_sum(&number), "MPI_Allreduce", rank: rank)
        let departure = Departure(spansHosts: Set(hosts).count > 1, mayCallMPI: anyThreadMayCall)
        let watch = StallWatch(
            path: number == 0 ? nil : path(number), rank: rank, localRank: localRank, localSize: localSize,
            hosts: hosts, departure: departure)
        // All have it open, or could not: its name is needed no more.
        _ = umae_mpi_barrier()
        if localRank == 0 && number != 0 { unsafe unlink(path(number)) }
        return watch
    }

    /// The host of each rank. Collective.
    private static func hostNames(rank: Int, size: Int) throws(CommunicationError) -> [String] {
        let length = 64
        let name = HostName.current.utf8.prefix(length - 1)
        let own = Array(name) + [UInt8](repeating: 0, count: length - name.count)
        var all = [UInt8](repeating: 0, count: size * length)
        try unsafe check(umae_mpi_allgather(own, &all, Int32(length), UMAE_MPI_U8), "MPI_Allgather", rank: rank)
        return (0..<size).map { rank in
            String(decoding: all[(rank * length)..<((rank + 1) * length)].prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// Ends MPI. Collective; nothing may be sent afterwards.
    package func finalize() {
        watch?.begin(.finalize)
        _ = UnfinishedCollectives.finish(within: Double(Departure.grace))
        _ = umae_mpi_finalize()
        watch?.stop()
    }

    package func watchForStalls(timeout: Double) throws { try watch?.start(timeout: timeout) }
    package var table: HostTable? { watch?.table }
    package func mark(step: Int) { watch?.mark(step: step) }

    package func allReduce(_ values: inout [Double], _ reduction: Reduction) throws(CommunicationError) {
        watch?.begin(.allReduce, bytes: values.count * MemoryLayout<Double>.stride)
        defer { watch?.begin(.computing) }
        let count = try MPICount.of(values.count, "MPI_Allreduce", rank: rank)
        let code = unsafe values.withUnsafeMutableBytes {
            unsafe umae_mpi_allreduce_in_place($0.baseAddress, count, UMAE_MPI_F64, reduction.op)
        }
        try check(code, "MPI_Allreduce", rank: rank)
    }

    package func startAllReduce(
        send: Matrix, receive: Matrix, in slot: CollectiveSlot
    ) throws(CommunicationError) {
        try startSum(of: send, into: receive, UMAE_MPI_F32, in: slot)
    }

    package func startAllReduce(
        send: MatrixView<Double>, receive: MatrixView<Double>, in slot: CollectiveSlot
    ) throws(CommunicationError) {
        try startSum(of: send, into: receive, UMAE_MPI_F64, in: slot)
    }

    private func startSum<Element>(
        of send: MatrixView<Element>, into receive: MatrixView<Element>, _ type: umae_mpi_type, in slot: CollectiveSlot
    ) throws(CommunicationError) {
        precondition(send.isContiguous && receive.isContiguous && send.count == receive.count)
        let count = try MPICount.of(send.count, "MPI_Iallreduce", rank: rank)
        slot.begin(send: send.storage, receive: receive.storage, poll: poll)
        slot.number = watch?.table.post(.startAllReduce, bytes: send.byteCount) ?? 0
        let request = unsafe UnsafeMutableRawPointer(slot.request.address)
            .assumingMemoryBound(to: umae_mpi_request.self)
        try unsafe check(
            umae_mpi_iallreduce(send.pointer, receive.pointer, count, type, UMAE_MPI_SUM, request),
            "MPI_Iallreduce", rank: rank)
    }

    package func startAllGather(
        _ rows: Matrix, into all: Matrix, in slot: CollectiveSlot
    ) throws(CommunicationError) {
        precondition(rows.isContiguous && all.isContiguous && all.count == rows.count * size)
        _ = try MPICount.of(all.count, "MPI_Iallgather", rank: rank)
        let count = try MPICount.of(rows.count, "MPI_Iallgather", rank: rank)
        slot.begin(send: rows.storage, receive: all.storage, poll: poll)
        slot.number = watch?.table.post(.startAllGather, bytes: all.byteCount) ?? 0
        let request = unsafe UnsafeMutableRawPointer(slot.request.address)
            .assumingMemoryBound(to: umae_mpi_request.self)
        try unsafe check(
            umae_mpi_iallgather(rows.pointer, all.pointer, count, UMAE_MPI_F32, request),
            "MPI_Iallgather", rank: rank)
    }

    package func startAllToAll(
        send: Operand, _ sendParts: RankParts, receive: Operand, _ receiveParts: RankParts, in slot: CollectiveSlot
    ) throws(CommunicationError) {
        precondition(send.element == receive.element)
        _ = try MPICount.of(max(send.columns, receive.columns), "MPI_Ialltoallv", rank: rank)
        // Open MPI takes it for MPI_IN_PLACE, and sends what the counts to receive say.
        unsafe precondition(send.pointer != receive.pointer, "an all-to-all receives where it sends")
        slot.begin(send: send.owner, receive: receive.owner, parts: (sendParts, receiveParts), poll: poll)
        slot.number = watch?.table.post(.startAllToAll, bytes: send.columns * send.element.byteCount) ?? 0
        let request = unsafe UnsafeMutableRawPointer(slot.request.address)
            .assumingMemoryBound(to: umae_mpi_request.self)
        try unsafe check(
            umae_mpi_ialltoallv(
                send.pointer, sendParts.counts.address, sendParts.offsets.address, receive.pointer,
                receiveParts.counts.address, receiveParts.offsets.address, send.element.mpiType, request),
            "MPI_Ialltoallv", rank: rank)
    }

    package func startAllGather(
        _ values: Operand, _ parts: RankParts, in slot: CollectiveSlot
    ) throws(CommunicationError) {
        _ = try MPICount.of(values.columns, "MPI_Iallgatherv", rank: rank)
        slot.begin(send: values.owner, receive: values.owner, parts: (parts, nil), poll: poll)
        slot.number = watch?.table.post(.startAllGather, bytes: values.columns * values.element.byteCount) ?? 0
        let request = unsafe UnsafeMutableRawPointer(slot.request.address)
            .assumingMemoryBound(to: umae_mpi_request.self)
        try unsafe check(
            umae_mpi_iallgatherv_in_place(
                values.pointer, parts.counts.address, parts.offsets.address, values.element.mpiType, request),
            "MPI_Iallgatherv", rank: rank)
    }

    package func allGather(_ rows: Matrix, rowCounts: [Int], into all: Matrix) throws(CommunicationError) {
        watch?.begin(.allGather, bytes: all.byteCount)
        defer { watch?.begin(.computing) }
        precondition(rows.isContiguous && all.isContiguous && rowCounts.count == size && rowCounts[rank] == rows.rows)
        precondition(all.rows == rowCounts.reduce(0, +) && all.columns == rows.columns)
        if rowCounts.allSatisfy({ $0 == rows.rows }) {
            _ = try MPICount.of(all.count, "MPI_Allgather", rank: rank)
            let count = try MPICount.of(rows.count, "MPI_Allgather", rank: rank)
            try unsafe check(
                umae_mpi_allgather(rows.pointer, all.pointer, count, UMAE_MPI_F32), "MPI_Allgather", rank: rank)
        } else {
            let parts = try MPICount.parts(rowCounts.map { $0 * rows.columns }, "MPI_Allgatherv", rank: rank)
            try unsafe check(
                umae_mpi_allgatherv(
                    rows.pointer, parts.counts[rank], all.pointer, parts.counts, parts.offsets, UMAE_MPI_F32),
                "MPI_Allgatherv", rank: rank)
        }
    }

    package func allGather(_ bytes: [UInt8]) throws(CommunicationError) -> [[UInt8]] {
        watch?.begin(.allGather, bytes: bytes.count)
        defer { watch?.begin(.computing) }
        var lengths = [Int64](repeating: 0, count: size)
        var length = Int64(bytes.count)
        try unsafe check(
            umae_mpi_allgather(&length, &lengths, 1, UMAE_MPI_I64), "MPI_Allgather", rank: rank)
        let parts = try MPICount.parts(lengths.map { Int($0) }, "MPI_Allgatherv", rank: rank)
        var all = [UInt8](repeating: 0, count: max(parts.total, 1))
        try unsafe check(
            umae_mpi_allgatherv(bytes, parts.counts[rank], &all, parts.counts, parts.offsets, UMAE_MPI_U8),
            "MPI_Allgatherv", rank: rank)
        return zip(parts.offsets, parts.counts).map { Array(all[Int($0)..<Int($0) + Int($1)]) }
    }

    package func gatherOnRoot(_ bytes: [UInt8], counts lengths: [Int]) throws(CommunicationError) -> [[UInt8]] {
        watch?.begin(.gather, bytes: bytes.count)
        defer { watch?.begin(.computing) }
        precondition(lengths.count == size && lengths[rank] == bytes.count)
        let parts = try MPICount.parts(lengths, "MPI_Gatherv", rank: rank)
        var all = [UInt8](repeating: 0, count: rank == 0 ? max(parts.total, 1) : 1)
        try unsafe check(
            umae_mpi_gatherv(bytes, parts.counts[rank], &all, parts.counts, parts.offsets, UMAE_MPI_U8, 0),
            "MPI_Gatherv", rank: rank)
        guard rank == 0 else { return [] }
        return zip(parts.offsets, parts.counts).map { Array(all[Int($0)..<Int($0) + Int($1)]) }
    }

    package func broadcast(_ values: Matrix, from root: Int) throws(CommunicationError) {
        watch?.begin(.broadcast, bytes: values.byteCount)
        defer { watch?.begin(.computing) }
        precondition(values.isContiguous)
        for start in stride(from: 0, to: values.count, by: Self.chunk) {
            try unsafe check(
                umae_mpi_broadcast(
                    values.pointer + start, Int32(min(Self.chunk, values.count - start)), UMAE_MPI_F32, Int32(root)),
                "MPI_Bcast", rank: rank)
        }
    }

    package func barrier() throws(CommunicationError) {
        watch?.begin(.barrier)
        defer { watch?.begin(.computing) }
        try check(umae_mpi_barrier(), "MPI_Barrier", rank: rank)
    }

    /// The rank with local number 0 makes it, and the others find it by what that one tells them.
    package func hostShare() throws(CommunicationError) -> HostShare? {
        let made = localRank == 0 ? HostShare() : nil
        var words = [0, 0, 0] as [Int64]
        if let made { words = [Int64(made.address.process), Int64(made.address.descriptor), made.address.mark] }
        for index in words.indices {
            unsafe try check(umae_mpi_local_sum(&words[index]), "MPI_Allreduce", rank: rank)
        }
        let address = HostShare.Address(process: Int32(words[0]), descriptor: Int32(words[1]), mark: words[2])
        let share = localRank == 0 ? made : words[2] == 0 ? nil : HostShare(address)
        // All have it open, or could not, before the one that made it may close it.
        try barrier()
        return share
    }

    package func abort(exitCode: Int32) -> Never {
        if let last = watch?.lastCollectives { Departure.write(last + "\n") }
        // The thread that started MPI calls this.
        Departure(spansHosts: watch?.spansHosts ?? false, mayCallMPI: true).endRun(exitCode: exitCode)
    }
}

extension ElementType {
    /// bfloat16 only travels; MPI need not know what it is.
    fileprivate var mpiType: umae_mpi_type { self == .float32 ? UMAE_MPI_F32 : UMAE_MPI_U16 }
}

extension Reduction {
    fileprivate var op: umae_mpi_op {
        switch self {
        case .sum: UMAE_MPI_SUM
        case .minimum: UMAE_MPI_MIN
        case .maximum: UMAE_MPI_MAX
        }
    }
}

/// Turns an MPI return code into a typed error that carries the call's name and MPI's own text.
private func check(_ code: Int32, _ call: String, rank: Int) throws(CommunicationError) {
    guard code != 0 else { return }
    var text = [CChar](repeating: 0, count: 512)
    unsafe umae_mpi_error_string(code, &text, Int32(text.count))
    let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    throw CommunicationError(call: call, reason: reason, rank: rank)
}
