internal import Host
import Synchronization

/// What the threads of a team share. It lives as long as the last of them.
///
/// Whoever waits looks again and again for a while, for a wake-up costs more than nearly all waits. Beside another program it
/// soon sleeps, so that its core is free for whoever has to be waited for: the system moves what waits on a busy core to one
/// that has nothing to do, and one that spins has not.
@safe
final class TeamCore: @unchecked Sendable {
    let count: Int
    /// Set by the first member while no job runs.
    var attendant: (any TeamAttendant)?

    private let generation = Atomic<UInt64>(0)
    private let pending = Atomic<Int>(0)
    private var job: (any TeamJob)?
    private let stopping = Atomic<Bool>(false)
    private let arrived = Atomic<Int>(0)
    private let phase = Atomic<UInt64>(0)

    /// Pieces of an operation that were taken, by the member whose they are, behind the operation's number.
    private let taken: UnsafeMutablePointer<Atomic<Int>>
    /// The operations in pieces so far, as each member has counted them.
    private let operations: UnsafeMutablePointer<Int>
    /// How often members were late of late, which they are where another program wants a core. Changed by the last member
    /// at a meeting, before the others leave it, so that all see the same in between.
    private let lateness = Atomic(0)

    /// Threads that have waited for longer than nearly all gaps last.
    private let overdue = Atomic<Int>(0)
    /// Threads that sleep, or are about to.
    private let sleepers = Atomic<Int>(0)
    private let sleep = ConditionLock()

    init(count: Int) {
        self.count = count
        unsafe taken = .allocate(capacity: count * Self.stride)
        unsafe operations = .allocate(capacity: count * Self.stride)
        for index in 0..<count * Self.stride {
            unsafe (taken + index).initialize(to: Atomic(0))
            unsafe (operations + index).initialize(to: 0)
        }
    }

    deinit {
        unsafe taken.deinitialize(count: count * Self.stride)
        unsafe taken.deallocate()
        unsafe operations.deallocate()
    }

    /// Numbers of one member have a cache line of their own.
    private static var stride: Int { 8 }

    /// The body of thread `index`.
    func work(index: Int) {
        var seen: UInt64 = 0
        while true {
            wait { generation.load(ordering: .sequentiallyConsistent) != seen }
            seen = generation.load(ordering: .acquiring)
            if stopping.load(ordering: .acquiring) { return }
            job?.work(by: TeamMember(core: self, index: index))
            if pending.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 { wakeSleepers() }
        }
    }

    /// Has each thread, this one included, do its part of `job`, and returns when all have.
    func run(_ job: any TeamJob) {
        self.job = job
        pending.store(count - 1, ordering: .relaxed)
        generation.add(1, ordering: .sequentiallyConsistent)
        wakeSleepers()
        job.work(by: TeamMember(core: self, index: 0))
        wait { pending.load(ordering: .sequentiallyConsistent) == 0 }
        self.job = nil
    }

    /// Has all threads but the caller's return from `work`.
    func stop() {
        stopping.store(true, ordering: .releasing)
        generation.add(1, ordering: .sequentiallyConsistent)
        wakeSleepers()
    }

    /// Returns when every member has called it.
    ///
    /// - Parameter isBalanced: whether all had equal parts of the work before it, so that none should be late.
    func meet(isBalanced: Bool = false) {
        guard count > 1 else { return }
        let current = phase.load(ordering: .acquiring)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
            arrived.store(0, ordering: .relaxed)
            if isBalanced {
                let isLate = overdue.load(ordering: .relaxed) > 0
                let points = lateness.load(ordering: .relaxed)
                lateness.store(
                    isLate ? min(points + Self.latePoints, Self.mostPoints) : max(points - 1, 0), ordering: .relaxed)
            }
            phase.add(1, ordering: .sequentiallyConsistent)
            wakeSleepers()
        } else {
            wait { phase.load(ordering: .sequentiallyConsistent) != current }
        }
    }

    /// Points for a meeting to which a member came late; one without takes a point off. A team that has the cores for itself
    /// has a late member at one meeting in fifty; beside a busy program, at three in four.
    private static var latePoints: Int { 8 }
    private static var mostPoints: Int { 200 }
    private static var piecesBits: Int { 8 }

    /// Into how many pieces each member's part of the next operation is divided; the same for all members.
    var pieces: Int { isDisturbed ? 6 : 1 }

    private var isDisturbed: Bool { lateness.load(ordering: .relaxed) > Self.mostPoints / 2 }

    /// The number of an operation in pieces, which every member asks for.
    func beginPieces(of member: Int) -> Int {
        unsafe operations[member * Self.stride] += 1
        return unsafe operations[member * Self.stride]
    }

    /// The next piece of an operation that nobody has taken yet of a member's part; nil if there is none.
    func takePiece(of member: Int, operation: Int, pieces: Int) -> Int? {
        let counter = unsafe taken + member * Self.stride
        var value = unsafe counter.pointee.load(ordering: .relaxed)
        while true {
            // A number of an earlier operation: its owner has not begun this one.
            let next = value >> Self.piecesBits == operation ? value & (1 << Self.piecesBits - 1) : 0
            guard next < pieces else { return nil }
            let (isTaken, found) = unsafe counter.pointee.compareExchange(
                expected: value, desired: operation << Self.piecesBits | (next + 1), ordering: .acquiringAndReleasing)
            if isTaken { return next }
            value = found
        }
    }

    /// Waits for what another thread brings about before it calls `wakeSleepers`.
    private func wait(until isDone: () -> Bool) {
        let isDisturbed = isDisturbed
        if Wait.spin(for: isDisturbed ? Wait.shortSpin : Wait.longSpin, until: isDone) { return }
        overdue.add(1, ordering: .relaxed)
        defer { overdue.subtract(1, ordering: .relaxed) }
        // The threads of this program that are not of the team, such as the one that prepares batches, need a core for a
        // few milliseconds at a time: to make way for them is cheaper than a sleep.
        if !isDisturbed && Wait.makeWay(for: Wait.yieldingSpin, until: isDone) { return }
        sleep.lock()
        // Counted before looking once more, as others look here after they have brought it about: one of both sees the
        // other.
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while !isDone() {
            // In naps: when a core falls idle, the system looks for a waiting thread to move there, and passes over one
            // that ran a moment ago. After a nap it looks again, and takes it.
            sleep.wait(until: Wait.now() + Self.nap)
        }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        sleep.unlock()
    }

    /// Nanoseconds.
    private static var nap: Int64 { 300_000 }

    private func wakeSleepers() {
        guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
        sleep.lock()
        sleep.broadcast()
        sleep.unlock()
    }
}
